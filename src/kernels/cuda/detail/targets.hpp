// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/product.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

struct ReadCell {
  ConstTable scores;
  const std::uint32_t* rows;
  const std::uint32_t* cols;
  const std::uint32_t* places;
  float* out;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const { out[places[k]] = scores.row(rows[k])[cols[k]]; }
};

struct WriteCell {
  const float* values;
  const std::uint32_t* rows;
  const std::uint32_t* cols;
  Table scores;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const { scores.row(rows[k])[cols[k]] = values[k]; }
};

struct FillRun {
  float value;
  const std::uint32_t* rows;
  const std::uint32_t* first;
  const std::uint32_t* end;
  const std::uint32_t* cols;
  std::size_t first_row;
  std::size_t first_col;
  std::size_t col_count;
  Table scores;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const {
    for (std::uint32_t i = first[k]; i < end[k]; ++i)
      if (cols[i] - first_col < col_count) scores.row(rows[k] - first_row)[cols[i] - first_col] = value;
  }
};

template <class From>
struct ScorePair {
  ConstTable queries;
  From table;
  const std::uint32_t* rows;
  const std::uint32_t* cols;
  const std::uint32_t* places;
  float* out;
  std::size_t dim;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const {
    out[places[k]] = chain_of<DotChain>(queries.row(rows[k]), table.row(cols[k]), dim);
  }
};

/// A column of a sum, added up in the order of its positions.
template <class From>
struct AddWeightedElement {
  using Value = float;
  const float* weights;
  const std::uint32_t* weight_of;
  From table;
  const std::uint32_t* row_of;
  ConstTable extra;
  bool has_extra;
  const std::uint32_t* offsets;
  const std::uint32_t* positions;
  Table out;
  const std::uint32_t* to;
  TESSERA_HOST_DEVICE Terms terms(std::size_t u) const { return {offsets[u], offsets[u + 1]}; }
  TESSERA_HOST_DEVICE float begin(std::size_t u, std::size_t c) const { return out.row(to[u])[c]; }
  TESSERA_HOST_DEVICE void add(std::size_t /*u*/, std::uint32_t k, std::size_t c, float& sum) const {
    const std::uint32_t position = positions[k];
    sum += weights[weight_of[position]] * table.row(row_of[position])[c];
    if (has_extra) sum += extra.row(position)[c];
  }
  TESSERA_HOST_DEVICE void store(std::size_t u, std::size_t c, float sum) const { out.row(to[u])[c] = sum; }
};

template <class Launcher>
class GridTargets final : public BasicTargets<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Cells = BasicCells<Launcher::kSpace>;
  template <class T>
  using Vector = kernels::Vector<Launcher::kSpace, T>;
  using Indices = Vector<const std::uint32_t>;

 public:
  explicit GridTargets(Launcher launch) : launch_(launch) {}

  void read(ConstMatrix scores, Cells cells, Indices places, Vector<float> out) const override {
    kernels::detail::check_cells(cells, scores);
    kernels::detail::check_list(places, cells.size(), out.size());
    launch_items(launch_, cells.size(),
                 ReadCell{ConstTable(scores), cells.rows.data(), cells.cols.data(), places.data(), out.data()});
  }

  void write(Vector<const float> values, Cells cells, Matrix scores) const override {
    kernels::detail::check_cells(cells, scores);
    TESSERA_ASSERT(values.size() == cells.size(), "one value per cell");
    launch_items(launch_, cells.size(), WriteCell{values.data(), cells.rows.data(), cells.cols.data(), Table(scores)});
  }

  void fill(float value, BasicRuns<Launcher::kSpace> runs, Matrix scores) const override {
    kernels::detail::check_runs(runs, scores);
    launch_items(launch_, runs.size(),
                 FillRun{value, runs.rows.data(), runs.first.data(), runs.end.data(), runs.cols.data(), runs.first_row,
                         runs.first_col, scores.cols, Table(scores)});
  }

  void score(ConstMatrix queries, BasicConstStoredRows<Launcher::kSpace> table, Cells pairs, Indices places,
             Vector<float> out) const override {
    TESSERA_ASSERT(queries.cols == table.cols, "queries and rows differ in dim");
    kernels::detail::check_list(pairs.rows, pairs.size(), queries.rows);
    kernels::detail::check_list(pairs.cols, pairs.size(), table.rows);
    kernels::detail::check_list(places, pairs.size(), out.size());
    with_table(table, [&]<class From>(From from) {
      launch_items(launch_, pairs.size(),
                   ScorePair<From>{ConstTable(queries), from, pairs.rows.data(), pairs.cols.data(), places.data(),
                                   out.data(), table.cols});
    });
  }

  void add_weighted(BasicWeightedRows<Launcher::kSpace> weighted, BasicSegments<Launcher::kSpace> segments, Matrix out,
                    Indices to) const override {
    kernels::detail::check_weighted(weighted, segments, out, to);
    with_table(weighted.table, [&]<class From>(From from) {
      launch_elements(
          launch_, to.size(), out.cols,
          AddWeightedElement<From>{weighted.weights.data(), weighted.weight_of.data(), from, weighted.row_of.data(),
                                   ConstTable(weighted.extra), weighted.extra.rows > 0, segments.offsets.data(),
                                   segments.positions.data(), Table(out), to.data()});
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
