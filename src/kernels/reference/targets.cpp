// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/row_access.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

using Indices = std::span<const std::uint32_t>;

class ReferenceTargets final : public Targets {
 public:
  void read(ConstMatrix scores, Cells cells, Indices places, std::span<float> out) const override {
    detail::check_cells(cells, scores);
    detail::check_list(places, cells.size(), out.size());
    for (std::size_t k = 0; k < cells.size(); ++k) out[places[k]] = scores.row(cells.rows[k])[cells.cols[k]];
  }

  void write(std::span<const float> values, Cells cells, Matrix scores) const override {
    detail::check_cells(cells, scores);
    TESSERA_ASSERT(values.size() == cells.size(), "one value per cell");
    for (std::size_t k = 0; k < cells.size(); ++k) scores.row(cells.rows[k])[cells.cols[k]] = values[k];
  }

  void fill(float value, Runs runs, Matrix scores) const override {
    detail::check_runs(runs, scores);
    for (std::size_t k = 0; k < runs.size(); ++k)
      for (std::uint32_t i = runs.first[k]; i < runs.end[k]; ++i)
        if (const std::size_t col = runs.cols[i] - runs.first_col; col < scores.cols)
          scores.row(runs.rows[k] - runs.first_row)[col] = value;
  }

  void score(ConstMatrix queries, ConstStoredRows table, Cells pairs, Indices places,
             std::span<float> out) const override {
    TESSERA_ASSERT(queries.cols == table.cols, "queries and rows differ in dim");
    detail::check_list(pairs.rows, pairs.size(), queries.rows);
    detail::check_list(pairs.cols, pairs.size(), table.rows);
    detail::check_list(places, pairs.size(), out.size());
    detail::with_table(table, [&](auto from) {
      for (std::size_t k = 0; k < pairs.size(); ++k) {
        float sum = 0;
        for (std::size_t c = 0; c < table.cols; ++c)
          sum = std::fma(queries.row(pairs.rows[k])[c], from.row(pairs.cols[k])[c], sum);
        out[places[k]] = sum;
      }
    });
  }

  void add_weighted(WeightedRows weighted, Segments segments, Matrix out, Indices to) const override {
    detail::check_weighted(weighted, segments, out, to);
    detail::with_table(weighted.table, [&](auto from) {
      for (std::size_t u = 0; u < to.size(); ++u)
        for (std::uint32_t k = segments.offsets[u]; k < segments.offsets[u + 1]; ++k) {
          const std::uint32_t position = segments.positions[k];
          add_position(weighted, position, from.row(weighted.row_of[position]), out.cols, out.row(to[u]));
        }
    });
  }

 private:
  template <class Row>
  static void add_position(const WeightedRows& weighted, std::uint32_t position, Row row, std::size_t cols,
                           float* out) {
    const float weight = weighted.weights[weighted.weight_of[position]];
    for (std::size_t c = 0; c < cols; ++c) out[c] += weight * row[c];
    if (weighted.extra.rows == 0) return;
    for (std::size_t c = 0; c < cols; ++c) out[c] += weighted.extra.row(position)[c];
  }
};

}  // namespace

const Targets& targets() {
  static const ReferenceTargets instance;
  return instance;
}

}  // namespace tessera::kernels::reference
