// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "kernels/stored_rows.hpp"
#include "memory/tag.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace tessera::model {

/// Entity rows of one part as they are stored: `rows` [part rows, dim], without gaps. Behind them in the same memory,
/// `spare` more rows for the halo, so that one index reaches both.
struct PartTable {
  PartId part;
  kernels::StoredRows rows;
  kernels::StoredRows rows_and_spare;
  kernels::StoredState state;  ///< optimiser state [rows, columns of the StateShape]; empty when there is none
  std::span<const std::uint32_t> degrees = {};  ///< training queries of each row, in the shard's memory
};

/// Where the rows of a part lie in a file, in their format.
struct RowsInFile {
  std::filesystem::path file;
  std::uint64_t rows_offset = 0;
  std::uint64_t hot_offset = 0;
};

/// Memory for tables outside of the pool.
class TableStore {
 public:
  virtual ~TableStore() = default;
  /// Zeroed memory for the table of a part; it lives as long as the store. Empty: the table gets its memory by map().
  virtual std::span<std::byte> allocate(PartId part, std::uint64_t bytes) = 0;
  /// Whether rows that lie in a file are used there, for reading only. They are copied otherwise.
  [[nodiscard]] virtual bool maps_files() const { return false; }
  virtual void map(PartTable& /*table*/, const RowsInFile& /*where*/) {}
  /// The table will not be used for a while: its memory can be given back, until the table is used again.
  virtual void put_away(PartId part) = 0;
};

/// How Parameters keep entity rows. Relation rows and the core are in fp32.
struct RowMemory {
  std::vector<std::uint64_t> spare_rows = {};  ///< spare rows of each owned part; empty: none
  kernels::RowFormat format = kernels::RowFormat::kFp32;
  kernels::StateFormat state_format = kernels::StateFormat::kFp32;  ///< of states of one number for each element
  double hot_fraction = 0;  ///< of int8: so many rows of a part, those with most training queries, are in fp32
  memory::Tag tag = memory::Tag::kRows;
  TableStore* store = nullptr;  ///< has the tables, which have no spare rows then; null: the pool has them

  /// Hot rows of a part with `rows` rows.
  [[nodiscard]] std::size_t hot_rows(std::size_t rows) const;
};

/// A run of bytes of a table, and where it lies when the table is stored as a whole.
struct TableBlock {
  std::uint64_t offset = 0;
  std::span<std::byte> bytes;
};

/// Rows, hot rows and states, one after the other, each from a multiple of 64 bytes on; spare rows are not stored.
std::array<TableBlock, 3> table_blocks(const PartTable& table);
/// Bytes of a table that is stored as a whole.
std::uint64_t table_bytes(const PartTable& table);
/// The table with its blocks in the memory of a TableStore.
PartTable placed_in(const PartTable& table, std::span<std::byte> memory);
/// The first rows of a table, as many as a smaller part has: `rows` rows, `spare` spare rows, `hot` hot rows.
PartTable with_rows(const PartTable& table, std::size_t rows, std::size_t spare, std::size_t hot);

}  // namespace tessera::model
