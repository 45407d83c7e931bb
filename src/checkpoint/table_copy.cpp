// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/table_copy.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <span>

namespace tessera::checkpoint {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{4} << 20U;  // that one thread copies at once

struct Piece {
  std::span<const std::byte> from;
  std::byte* to;
};

std::uint64_t in_units(std::uint64_t bytes) {
  constexpr std::uint64_t kUnit = memory::kHostUnitBytes;
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

std::span<const std::byte> bytes_of(const kernels::ConstMatrix& matrix) {
  return std::as_bytes(std::span(matrix.data, matrix.data == nullptr ? 0 : matrix.rows * matrix.cols));
}

// Spare rows are no part of a checkpoint.
model::PartTable without_spare(const model::PartTable& table) {
  return model::with_rows(table, table.rows.rows, 0, table.rows.hot.rows);
}

std::uint64_t bytes_of(const PartToSave& part) {
  return std::max<std::uint64_t>(
      in_units(1), in_units(model::table_bytes(without_spare(part.table))) + in_units(bytes_of(part.average).size()));
}

void add_pieces(std::span<const std::byte> from, std::byte* to, std::vector<Piece>& pieces) {
  for (std::size_t done = 0; done < from.size(); done += kPieceBytes)
    pieces.push_back({from.subspan(done, std::min(kPieceBytes, from.size() - done)), to + done});
}

// The part as it will be in `memory`, and what is to be copied for it.
PartToSave place(const PartToSave& part, std::span<std::byte> memory, std::vector<Piece>& pieces) {
  const model::PartTable table = without_spare(part.table);
  for (const model::TableBlock& block : model::table_blocks(table))
    add_pieces(block.bytes, memory.data() + block.offset, pieces);
  PartToSave placed{model::placed_in(table, memory), part.average, part.unchanged};
  if (part.average.data == nullptr) return placed;
  std::byte* const average = memory.data() + in_units(model::table_bytes(table));
  add_pieces(bytes_of(part.average), average, pieces);
  placed.average.data = reinterpret_cast<const float*>(average);
  return placed;
}

}  // namespace

std::vector<PartToSave> parts_to_save(const model::Parameters& parameters) {
  std::vector<PartToSave> parts;
  for (const model::PartTable& table : parameters.parts()) {
    PartToSave part{table};
    if (const model::Parameters* average = parameters.average()) part.average = average->part(table.part).rows.matrix();
    parts.push_back(part);
  }
  return parts;
}

TableCopy::TableCopy(const model::Parameters& parameters, memory::Pool& pool) {
  const std::vector<PartToSave> parts = parts_to_save(parameters);
  for (const PartToSave& part : parts) bytes_ += bytes_of(part);
  if (bytes_ > pool.free_bytes()) return;
  try {
    for (const PartToSave& part : parts)
      memory_.push_back(pool.allocate<std::byte>(memory::Tag::kCheckpoint, bytes_of(part)));
  } catch (const Error&) {  // what is free lies in pieces
    memory_.clear();
  }
}

std::vector<PartToSave> TableCopy::take(const model::Parameters& parameters, std::size_t threads) {
  std::vector<PartToSave> parts = parts_to_save(parameters);
  TESSERA_ASSERT(parts.size() == memory_.size(), "a copy of other parameters");
  std::vector<Piece> pieces;
  for (std::size_t p = 0; p < parts.size(); ++p) parts[p] = place(parts[p], memory_[p].span(), pieces);
  parallel_for(pieces.size(), threads,
               [&](std::size_t i) { std::copy(pieces[i].from.begin(), pieces[i].from.end(), pieces[i].to); });
  return parts;
}

}  // namespace tessera::checkpoint
