// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/encode.hpp"
#include "kernels/cuda/detail/lanes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// The lanes sum the squares of a row, then all lanes update the row, in int8 in two phases, then one updates its
/// state.
template <class Rows>
struct RowwiseAdagradBody {
  static constexpr unsigned kThreads = kLaneThreads;
  struct Shared {
    LaneValues<float> squares;
    LaneValues<std::uint32_t> largest;
  };
  struct Registers {
    float squares;
    float scale;
  };
  AdagradStep step;
  ConstTable gradients;
  const std::uint32_t* indices;
  std::size_t rows;
  std::size_t cols;
  Rows table;
  float* state;

  TESSERA_HOST_DEVICE unsigned phases() const { return Rows::kIsScaled ? 4 : 3; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= rows) return;
    if (phase == 0) {
      shared.squares.at[at.slot][at.lane] = sum_squares(gradients.row(at.row), at.lane);
    } else if (phase == 1) {
      registers.squares = state[indices[at.row]] + sum_tree(shared.squares.at[at.slot]) / static_cast<float>(cols);
      if constexpr (Rows::kIsScaled)
        shared.largest.at[at.slot][at.lane] = largest(at, registers.squares);
      else
        update(at, registers.squares);
    } else if (phase + 1 < phases()) {
      if constexpr (Rows::kIsScaled) rescale(at, shared, registers);
    } else if (at.lane == 0) {
      finish(at, registers);
    }
  }

 private:
  TESSERA_HOST_DEVICE float sum_squares(const float* values, unsigned lane) const {
    float sum = 0;
    for (std::size_t k = lane; k < cols; k += kLanes) sum = fmaf(values[k], values[k], sum);
    return sum;
  }

  /// Calls change(c, new element) for the columns of a lane.
  template <class Change>
  TESSERA_HOST_DEVICE void each_column(const LaneAt& at, float squares, const Change& change) const {
    const float rate = step.learning_rate / (sqrtf(squares) + step.epsilon);
    const auto row = table.row(indices[at.row]);
    for (std::size_t c = at.lane; c < cols; c += kLanes) change(c, fmaf(-rate, gradients.row(at.row)[c], row[c]));
  }

  TESSERA_HOST_DEVICE void update(const LaneAt& at, float squares) const {
    each_column(at, squares, [&](std::size_t c, float value) { table.store(indices[at.row], c, value); });
  }

  TESSERA_HOST_DEVICE std::uint32_t largest(const LaneAt& at, float squares) const {
    std::uint32_t largest = 0;
    each_column(at, squares, [&](std::size_t /*c*/, float value) { largest = larger_magnitude(largest, value); });
    return largest;
  }

  TESSERA_HOST_DEVICE void rescale(const LaneAt& at, const Shared& shared, Registers& registers) const {
    const std::uint32_t row = indices[at.row];
    if (float* hot = table.hot_row(row)) {
      each_column(at, registers.squares, [&](std::size_t c, float value) { hot[c] = value; });
      return;
    }
    registers.scale = scale_of(largest_of(shared.largest.at[at.slot]), table.row(row).scale);
    const float inverse = inverse_of(registers.scale);
    each_column(at, registers.squares, [&](std::size_t c, float value) { table.store_code(row, c, value, inverse); });
  }

  TESSERA_HOST_DEVICE void finish(const LaneAt& at, const Registers& registers) const {
    state[indices[at.row]] = registers.squares;
    if constexpr (Rows::kIsScaled)
      if (table.hot_row(indices[at.row]) == nullptr) table.store_scale(indices[at.row], registers.scale);
  }
};

}  // namespace tessera::kernels::cuda
