// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/cast.hpp"
#include "kernels/cuda/detail/grid.hpp"

#include <cstdint>

// Kernels that work on every element of a matrix.
namespace tessera::kernels::cuda {

constexpr unsigned kRowThreads = 32;  ///< threads that share a piece of a row, each with every 32nd column
constexpr unsigned kRowsPerBlock = 8;
constexpr unsigned kColumnsEach = 4;
constexpr std::size_t kPieceColumns = std::size_t{kRowThreads} * kColumnsEach;

/// Positions first .. end - 1 of a list.
struct Terms {
  std::uint32_t first;
  std::uint32_t end;
};

/// An element that is loaded, Value load(row, column), before it is stored: store(row, column, value).
template <class Element>
concept LoadsFirst = requires(const Element& element) {
  element.load(std::size_t{}, std::size_t{});
};

/// An element that adds up terms of its row in order: Terms terms(row), Value begin(row, column),
/// add(row, position, column, value), store(row, column, value).
template <class Element>
concept AddsTerms = requires(const Element& element) {
  element.terms(std::size_t{});
};

/// Works on every element of a matrix, neighbouring columns by neighbouring threads. A block has a piece of columns of
/// some rows. A thread loads all of its columns before it stores one. An element that is none of the two above is
/// called: element(row, column).
template <class Element>
struct ElementsBody {
  static constexpr unsigned kThreads = kRowThreads * kRowsPerBlock;
  Element element;
  std::size_t rows;
  std::size_t cols;
  std::uint32_t pieces;  ///< how many pieces a row has

  TESSERA_HOST_DEVICE void run(At at) const {
    const auto block = static_cast<std::uint32_t>(at.block);
    const std::size_t i = std::size_t{block / pieces} * kRowsPerBlock + at.thread / kRowThreads;
    const std::size_t first = block % pieces * kPieceColumns + at.thread % kRowThreads;
    if (i < rows) run(element, i, first);
  }

 private:
  template <class Work>
  TESSERA_HOST_DEVICE void each_column(std::size_t first, const Work& work) const {
    TESSERA_UNROLL
    for (unsigned k = 0; k < kColumnsEach; ++k)
      if (first + k * kRowThreads < cols) work(k, first + k * kRowThreads);
  }

  TESSERA_HOST_DEVICE void run(const Element& of, std::size_t i, std::size_t first) const {
    each_column(first, [&](unsigned /*k*/, std::size_t c) { of(i, c); });
  }

  TESSERA_HOST_DEVICE void run(const Element& of, std::size_t i, std::size_t first) const requires LoadsFirst<Element> {
    typename Element::Value values[kColumnsEach] = {};
    each_column(first, [&](unsigned k, std::size_t c) { values[k] = of.load(i, c); });
    each_column(first, [&](unsigned k, std::size_t c) { of.store(i, c, values[k]); });
  }

  TESSERA_HOST_DEVICE void run(const Element& of, std::size_t i, std::size_t first) const requires AddsTerms<Element> {
    typename Element::Value values[kColumnsEach] = {};
    each_column(first, [&](unsigned k, std::size_t c) { values[k] = of.begin(i, c); });
    const Terms terms = of.terms(i);
    for (std::uint32_t t = terms.first; t < terms.end; ++t)
      each_column(first, [&](unsigned k, std::size_t c) { of.add(i, t, c, values[k]); });
    each_column(first, [&](unsigned k, std::size_t c) { of.store(i, c, values[k]); });
  }
};

template <class Launcher, class Element>
void launch_elements(const Launcher& launch, std::size_t rows, std::size_t cols, Element element) {
  const std::size_t pieces = blocks_of(kPieceColumns, cols);
  launch(blocks_of(kRowsPerBlock, rows) * pieces,
         ElementsBody<Element>{element, rows, cols, checked_cast<std::uint32_t>(pieces)});
}

}  // namespace tessera::kernels::cuda
