// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/own_rows.hpp"

#include "comm/agreement.hpp"
#include "core/cast.hpp"
#include "core/parallel.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace tessera::model {
namespace {

constexpr std::size_t kTileRows = 4096;

struct Tile {
  PartId part;
  std::size_t first_row;
  std::size_t rows;
};

std::vector<Tile> tiles_of(const Parameters& parameters) {
  std::vector<Tile> tiles;
  for (const PartTable& table : parameters.parts())
    for (std::size_t first = 0; first < table.rows.rows; first += kTileRows)
      tiles.push_back({table.part, first, std::min(kTileRows, table.rows.rows - first)});
  return tiles;
}

Error not_finite(const std::string& row) {
  return {ExitStatus::kBadData,
          fmt::format("the model is not finite: {} holds infinities or NaN, so nothing can be ranked; training has "
                      "diverged, or the checkpoint is not sound",
                      row)};
}

/// The largest magnitude in some rows.
float magnitude_of(const kernels::StoredRows& rows) {
  if (rows.is_fp32()) return largest_magnitude(rows.matrix().data, rows.rows * rows.cols);
  std::vector<float> row(rows.cols);
  float largest = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    decode(rows.block(i, 1), {row.data(), 1, rows.cols, rows.cols});
    const float of_row = largest_magnitude(row.data(), row.size());
    if (!std::isfinite(of_row)) return of_row;
    largest = std::max(largest, of_row);
  }
  return largest;
}

Error not_finite(const PartTable& table, const Tile& tile) {
  std::size_t row = tile.first_row;
  while (std::isfinite(magnitude_of(table.rows.block(row, 1)))) ++row;
  return not_finite(fmt::format("row {} of part {}", row, tile.part.value()));
}

std::optional<Error> check_matrix(const char* what, kernels::ConstMatrix rows) {
  for (std::size_t i = 0; i < rows.rows; ++i)
    if (!std::isfinite(largest_magnitude(rows.row(i), rows.cols))) return not_finite(fmt::format("{} {}", what, i));
  return std::nullopt;
}

}  // namespace

OwnRows::OwnRows(const graph::Shard& shard, const Parameters& parameters)
    : shard_(shard),
      parameters_(parameters),
      first_(shard.manifest.offsets[shard.placement.first_part(shard.rank).index()]),
      end_(shard.manifest.offsets[shard.placement.end_part(shard.rank).index()]) {}

void OwnRows::read(EntityId entity, float* row) const {
  const Place at = place(entity);
  const std::size_t dim = parameters_.dim();
  decode(parameters_.parts()[at.part].rows.block(at.row.index(), 1), {row, 1, dim, dim});
}

bool OwnRows::is_unseen(EntityId entity) const {
  const Place at = place(entity);
  return shard_.parts[at.part].train_degree()[at.row.index()] == 0;
}

void OwnRows::compose(EntityId source, RelationId relation, float* query) const {
  const std::size_t dim = parameters_.dim();
  const std::uint32_t relation_row = relation.value();
  const Place at = place(source);
  const kernels::ConstStoredRows stored = parameters_.parts()[at.part].rows.block(at.row.index(), 1);
  std::vector<float> memory(stored.is_fp32() ? 0 : dim);
  if (!stored.is_fp32()) decode(stored, {memory.data(), 1, dim, dim});
  const kernels::ConstMatrix row =
      stored.is_fp32() ? stored.matrix() : kernels::ConstMatrix{memory.data(), 1, dim, dim};
  parameters_.scorer().compose(row, parameters_.operators(), std::span(&relation_row, 1), {query, 1, dim, dim});
}

float largest_magnitude(const float* values, std::size_t n) {
  // The bits of magnitudes are ordered as the magnitudes are, with infinity and NaN on top.
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(values[i]) & 0x7FFFFFFFU);
  return std::bit_cast<float>(largest);
}

float require_finite_rows(comm::Communicator& comm, const Parameters& parameters, std::size_t threads) {
  const std::vector<Tile> tiles = tiles_of(parameters);
  std::vector<float> magnitudes(tiles.size());
  for (std::size_t first = 0, end = 0; first < tiles.size(); first = end) {  // part by part
    while (end < tiles.size() && tiles[end].part == tiles[first].part) ++end;
    const PartTable& table = parameters.part(tiles[first].part);
    parallel_for(end - first, threads, [&](std::size_t i) {
      const Tile& tile = tiles[first + i];
      magnitudes[first + i] = magnitude_of(table.rows.block(tile.first_row, tile.rows));
    });
    parameters.put_away(table);
  }
  std::optional<Error> error = check_matrix("relation row", parameters.relations());
  if (!error) error = check_matrix("core row", parameters.core());
  float largest = 0;
  for (std::size_t i = 0; i < tiles.size() && !error; ++i) {
    if (!std::isfinite(magnitudes[i])) error = not_finite(parameters.part(tiles[i].part), tiles[i]);
    largest = std::max(largest, magnitudes[i]);
  }
  comm::agree(comm, error);
  const std::int64_t bits = comm.reduce(std::bit_cast<std::uint32_t>(largest), comm::Reduction::kMax);
  return std::bit_cast<float>(checked_cast<std::uint32_t>(bits));
}

bool scores_are_finite(kernels::Similarity similarity, float query_magnitude, float row_magnitude, std::size_t dim) {
  const double q = query_magnitude;
  const double e = row_magnitude;
  const auto terms = static_cast<double>(dim);
  double bound = terms * q * e;
  if (similarity == kernels::Similarity::kNegativeL1) bound = terms * (q + e);
  if (similarity == kernels::Similarity::kNegativeL2) bound = terms * (q + e) * (q + e);
  return bound < static_cast<double>(std::numeric_limits<float>::max()) / 2;  // half: room for rounding
}

}  // namespace tessera::model
