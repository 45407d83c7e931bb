// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/stored_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// A factor of products. A backend whose products take another form finds it in the copy: Gradients::pack.
template <Space kSpace>
struct BasicOperand {
  // NOLINTBEGIN(google-explicit-constructor): a matrix is an operand that nobody packed
  BasicOperand(BasicConstMatrix<kSpace> from) : matrix(from) {}
  BasicOperand(BasicMatrix<kSpace> from) : matrix(from) {}
  // NOLINTEND(google-explicit-constructor)
  BasicOperand(BasicConstMatrix<kSpace> from, Vector<kSpace, const std::byte> copy) : matrix(from), packed(copy) {}
  /// An operand in bfloat16, for products that take it as it is stored: BasicGradients::takes_stored.
  static BasicOperand stored(BasicConstStoredRows<kSpace> rows) {
    return {BasicConstMatrix<kSpace>{nullptr, rows.rows, rows.cols, rows.stride / sizeof(std::uint16_t)},
            {rows.data, rows.rows * rows.stride}};
  }
  BasicConstMatrix<kSpace> matrix;
  Vector<kSpace, const std::byte> packed = {};
};

/// Weights [b, n] as a softmax over tiles leaves them: the weight of (i, j) is factors[j / tile][i] * weights[i][j];
/// factors [tiles, b]. They may be packed as an operand is.
template <Space kSpace>
struct BasicTiledWeights {
  BasicConstMatrix<kSpace> weights;
  BasicConstMatrix<kSpace> factors;
  std::size_t tile = 1;
  Vector<kSpace, const std::byte> packed = {};
};

}  // namespace tessera::kernels
