// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/detail/row_access.hpp"

#include <cstdint>

// Rows from one form into another: elements as they are stored, elements rounded to nearest, and rows in int8.
namespace tessera::kernels::cuda {

using kernels::detail::ConstScaledTable;
using kernels::detail::larger_magnitude;
using kernels::detail::ScaledRow;
using kernels::detail::ScaledTable;

/// Copies an element as it is stored.
template <class Stored>
struct TakeElement {
  using Value = Stored;
  const Stored* table;
  std::size_t stride;
  const std::uint32_t* indices;
  Stored* out;
  std::size_t out_stride;
  TESSERA_HOST_DEVICE Stored load(std::size_t i, std::size_t c) const { return table[indices[i] * stride + c]; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, Stored value) const { out[i * out_stride + c] = value; }
};

template <class To>
struct EncodeElement {
  using Value = float;
  ConstTable in;
  To table;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const { return in.row(i)[c]; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { table.store_nearest(i, c, value); }
};

/// Rows in fp32.
struct MatrixSource {
  ConstTable in;
  TESSERA_HOST_DEVICE ScaledRow row(std::size_t i) const { return {in.row(i), nullptr, 0}; }
};

/// Rows of a table in int8: those that are hot are in fp32.
struct StoredSource {
  ConstScaledTable table;
  const std::uint32_t* indices;
  TESSERA_HOST_DEVICE ScaledRow row(std::size_t i) const { return table.row(indices[i]); }
};

/// The largest of the lanes of a row.
TESSERA_HOST_DEVICE inline std::uint32_t largest_of(const std::uint32_t (&lanes)[kLanes]) {
  std::uint32_t largest = 0;
  TESSERA_UNROLL
  for (unsigned l = 0; l < kLanes; ++l) largest = lanes[l] > largest ? lanes[l] : largest;
  return largest;
}

/// Makes rows in int8: the lanes find the largest magnitude of a row in fp32, then write its codes; a row that has
/// codes already is copied.
template <class Source>
struct EncodeRowsBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = LaneValues<std::uint32_t>;
  struct Registers {};
  Source source;
  ScaledTable out;
  std::size_t rows;
  std::size_t cols;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& /*registers*/) const {
    const LaneAt at(index);
    if (at.row >= rows) return;
    const ScaledRow row = source.row(at.row);
    if (phase == 0) {
      shared.at[at.slot][at.lane] = row.hot == nullptr ? 0 : largest(row.hot, at.lane);
      return;
    }
    const float scale = row.hot == nullptr ? row.scale : scale_of(largest_of(shared.at[at.slot]));
    write(at, row, inverse_of(scale));
    if (at.lane == 0) out.store_scale(at.row, scale);
  }

 private:
  TESSERA_HOST_DEVICE std::uint32_t largest(const float* values, unsigned lane) const {
    std::uint32_t largest = 0;
    for (std::size_t c = lane; c < cols; c += kLanes) largest = larger_magnitude(largest, values[c]);
    return largest;
  }

  TESSERA_HOST_DEVICE void write(const LaneAt& at, const ScaledRow& row, float inverse) const {
    std::int8_t* codes = out.codes(at.row);
    for (std::size_t c = at.lane; c < code_bytes(cols); c += kLanes)
      codes[c] = c >= cols ? std::int8_t{0} : row.hot == nullptr ? row.codes[c] : nearest_code(row.hot[c], inverse);
  }
};

}  // namespace tessera::kernels::cuda
