// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <array>
#include <cmath>

namespace tessera::kernels::reference {
namespace {

/// Sum of squares in 16 lanes (k mod 16), added as a binary tree.
float sum_squares(const float* values, std::size_t count) {
  std::array<float, 16> lanes{};
  for (std::size_t k = 0; k < count; ++k) lanes[k % 16] = std::fma(values[k], values[k], lanes[k % 16]);
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

class ReferenceUpdates final : public Updates {
 public:
  void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
               Matrix state) const override {
    detail::check_indexed(gradients, indices, table);
    detail::check_indexed(gradients, indices, state);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const float* gradient = gradients.row(i);
      float* row = table.row(indices[i]);
      float* squares = state.row(indices[i]);
      for (std::size_t c = 0; c < table.cols; ++c) {
        squares[c] = std::fma(gradient[c], gradient[c], squares[c]);
        row[c] -= step.learning_rate * gradient[c] / (std::sqrt(squares[c]) + step.epsilon);
      }
    }
  }

  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
                       std::span<float> state) const override {
    detail::check_indexed(gradients, indices, table);
    detail::check_row_state(state, table);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const float* gradient = gradients.row(i);
      float* row = table.row(indices[i]);
      float& squares = state[indices[i]];
      squares += sum_squares(gradient, table.cols) / static_cast<float>(table.cols);
      const float rate = step.learning_rate / (std::sqrt(squares) + step.epsilon);
      for (std::size_t c = 0; c < table.cols; ++c) row[c] = std::fma(-rate, gradient[c], row[c]);
    }
  }

  void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
            Matrix state) const override {
    detail::check_moments(gradients, indices, table, state);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const float* gradient = gradients.row(i);
      float* row = table.row(indices[i]);
      float* means = state.row(indices[i]);
      float* squares = means + table.cols;
      for (std::size_t c = 0; c < table.cols; ++c) {
        means[c] = std::fma(step.mean_gain, gradient[c] - means[c], means[c]);
        squares[c] = std::fma(step.square_gain, std::fma(gradient[c], gradient[c], -squares[c]), squares[c]);
        row[c] -= step.rate * means[c] / std::fma(step.root_scale, std::sqrt(squares[c]), step.epsilon);
      }
    }
  }

  void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices,
           Matrix table) const override {
    detail::check_indexed(gradients, indices, table);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      float* row = table.row(indices[i]);
      for (std::size_t c = 0; c < table.cols; ++c) row[c] = std::fma(-learning_rate, gradients.row(i)[c], row[c]);
    }
  }
};

}  // namespace

const Updates& updates() {
  static const ReferenceUpdates instance;
  return instance;
}

}  // namespace tessera::kernels::reference
