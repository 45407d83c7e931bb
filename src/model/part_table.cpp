// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/part_table.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::model {
namespace {

constexpr std::uint64_t kAlignment = 64;

std::span<std::byte> bytes_of(const kernels::Matrix& matrix) {
  return std::as_writable_bytes(std::span(matrix.data, matrix.rows * matrix.cols));
}

}  // namespace

std::size_t RowMemory::hot_rows(std::size_t rows) const {
  if (format != kernels::RowFormat::kInt8) return 0;
  return std::min(rows, static_cast<std::size_t>(hot_fraction * static_cast<double>(rows)));
}

std::array<TableBlock, 3> table_blocks(const PartTable& table) {
  std::array<TableBlock, 3> blocks;
  blocks[0].bytes = {table.rows.data, table.rows.rows * table.rows.stride};
  blocks[1].bytes = bytes_of(table.rows.hot);
  blocks[2].bytes = {table.state.data, table.state.rows * table.state.stride};
  std::uint64_t offset = 0;
  for (TableBlock& block : blocks) {
    block.offset = offset;
    offset += (block.bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  return blocks;
}

std::uint64_t table_bytes(const PartTable& table) {
  const TableBlock last = table_blocks(table)[2];
  return last.offset + last.bytes.size();
}

PartTable placed_in(const PartTable& table, std::span<std::byte> memory) {
  TESSERA_ASSERT(table.rows.rows == table.rows_and_spare.rows, "stored tables have no spare rows");
  if (memory.empty()) return table;
  const auto blocks = table_blocks(table);
  PartTable placed = table;
  placed.rows.data = memory.data() + blocks[0].offset;
  if (table.rows.hot.rows > 0) placed.rows.hot.data = reinterpret_cast<float*>(memory.data() + blocks[1].offset);
  if (table.state.rows > 0) placed.state.data = memory.data() + blocks[2].offset;
  placed.rows_and_spare = placed.rows;
  return placed;
}

PartTable with_rows(const PartTable& table, std::size_t rows, std::size_t spare, std::size_t hot) {
  TESSERA_ASSERT(rows <= table.rows.rows && rows + spare <= table.rows_and_spare.rows, "a smaller part");
  PartTable smaller = table;
  smaller.rows_and_spare.hot.rows = hot;
  smaller.rows_and_spare = smaller.rows_and_spare.block(0, rows + spare);
  smaller.rows = smaller.rows_and_spare.block(0, rows);
  if (table.state.rows > 0) smaller.state = table.state.block(0, rows);
  return smaller;
}

}  // namespace tessera::model
