// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/part_table.hpp"
#include "storage/mapped_file.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace tessera::checkpoint {

/// Whether rows of that many bytes are read from their files, and not kept in a pool with that budget: the other half
/// of the budget is for ranking and answering.
constexpr bool are_mapped(std::uint64_t row_bytes, std::uint64_t budget_bytes) { return row_bytes > budget_bytes / 2; }

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
