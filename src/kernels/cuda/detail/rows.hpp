// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/grid.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

constexpr unsigned kRowThreads = 32;  ///< threads that share a row, each with every 32nd column
constexpr unsigned kRowsPerBlock = 8;

/// Calls element(row, column) for every element of a matrix, neighbouring columns by neighbouring threads.
template <class Element>
struct ElementsBody {
  static constexpr unsigned kThreads = kRowThreads * kRowsPerBlock;
  Element element;
  std::size_t rows;
  std::size_t cols;

  TESSERA_HOST_DEVICE void run(At at) const {
    const std::size_t i = at.block * kRowsPerBlock + at.thread / kRowThreads;
    if (i >= rows) return;
    for (std::size_t c = at.thread % kRowThreads; c < cols; c += kRowThreads) element(i, c);
  }
};

template <class Launcher, class Element>
void launch_elements(const Launcher& launch, std::size_t rows, std::size_t cols, Element element) {
  launch(blocks_of(kRowsPerBlock, rows), ElementsBody<Element>{element, rows, cols});
}

struct GatherElement {
  ConstTable table;
  const std::uint32_t* indices;
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const { out.row(i)[c] = table.row(indices[i])[c]; }
};

struct ScatterElement {
  ConstTable in;
  const std::uint32_t* indices;
  Table table;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const { table.row(indices[i])[c] = in.row(i)[c]; }
};

/// One column of one sum, added in the order of its positions.
struct SumElement {
  ConstTable in;
  const std::uint32_t* offsets;
  const std::uint32_t* positions;
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t u, std::size_t c) const {
    float sum = 0;
    for (std::uint32_t k = offsets[u]; k < offsets[u + 1]; ++k) sum += in.row(positions[k])[c];
    out.row(u)[c] = sum;
  }
};

struct AddElement {
  ConstTable in;
  const std::uint32_t* from;
  const std::uint32_t* to;
  Table table;
  TESSERA_HOST_DEVICE void operator()(std::size_t k, std::size_t c) const { table.row(to[k])[c] += in.row(from[k])[c]; }
};

struct ClearElement {
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const { out.row(i)[c] = 0; }
};

template <class Launcher>
class GridRows final : public BasicRows<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Indices = Vector<Launcher::kSpace, const std::uint32_t>;

 public:
  explicit GridRows(Launcher launch) : launch_(launch) {}

  void gather(ConstMatrix table, Indices indices, Matrix out) const override {
    kernels::detail::check_indexed(out, indices, table);
    launch_elements(launch_, out.rows, out.cols, GatherElement{ConstTable(table), indices.data(), Table(out)});
  }

  void scatter(ConstMatrix in, Indices indices, Matrix table) const override {
    kernels::detail::check_indexed(in, indices, table);
    launch_elements(launch_, in.rows, in.cols, ScatterElement{ConstTable(in), indices.data(), Table(table)});
  }

  void sum_segments(ConstMatrix in, Indices offsets, Indices positions, Matrix out) const override {
    kernels::detail::check_segments(in, offsets, positions, out);
    launch_elements(launch_, out.rows, out.cols,
                    SumElement{ConstTable(in), offsets.data(), positions.data(), Table(out)});
  }

  void add(ConstMatrix in, Indices from, Indices to, Matrix table) const override {
    kernels::detail::check_added(in, from, to, table);
    launch_elements(launch_, to.size(), table.cols, AddElement{ConstTable(in), from.data(), to.data(), Table(table)});
  }

  void clear(Matrix out) const override { launch_elements(launch_, out.rows, out.cols, ClearElement{Table(out)}); }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
