// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/atomic.hpp"
#include "storage/hdf5.hpp"
#include "tables/table.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::tables::detail {

/// A table as HDF5 (docs/formats/tables.md): a group per column. In memory until finish().
class Hdf5Table final : public TableWriter {
 public:
  Hdf5Table(std::vector<Column> columns, const std::filesystem::path& file);
  void append(const Row& row) override;
  void finish() override;

 private:
  struct Values {
    std::vector<std::uint64_t> offsets = {0};  // of text
    std::string bytes;
    std::vector<std::uint64_t> whole;
    std::vector<float> floats;
    std::vector<double> doubles;
  };
  void write(storage::FileWriter& file, std::size_t i) const;

  std::vector<Column> columns_;
  std::filesystem::path path_;
  storage::AtomicFile atomic_;
  std::vector<Values> values_;
};

}  // namespace tessera::tables::detail
