// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/part_table.hpp"
#include "storage/mapped_file.hpp"

#include <map>
#include <vector>

namespace tessera::checkpoint {

/// Tables of a model that is larger than memory, for ranking and answering: rows are read where they lie in the files
/// of a checkpoint.
class MappedTables final : public model::TableStore {
 public:
  /// Memory for small tables, which HDF5 keeps among its own data.
  std::span<std::byte> allocate(PartId part, std::uint64_t bytes) override;
  [[nodiscard]] bool maps_files() const override { return true; }
  /// Throws Error(kBadData) when the file is too short, Error(kIo).
  void map(model::PartTable& table, const model::RowsInFile& where) override;
  void put_away(PartId part) override;

 private:
  std::map<PartId, storage::MappedFile> files_;
  std::map<PartId, std::vector<std::byte>> small_;
};

}  // namespace tessera::checkpoint
