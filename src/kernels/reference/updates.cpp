// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/row_access.hpp"
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
  void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
               StoredState state) const override {
    detail::check_indexed(gradients, indices, table);
    detail::check_indexed(gradients, indices, state);
    detail::with_state(state, table.rounding, [&](auto states) {
      each_row(gradients, indices, table, [&](std::uint32_t i, const float* gradient, auto to) {
        const auto squares = [&](std::size_t c) { return std::fma(gradient[c], gradient[c], states.row(i)[c]); };
        detail::rewrite_row(to, i, table.cols, [&](std::size_t c) {
          return to.row(i)[c] - step.learning_rate * gradient[c] / (std::sqrt(squares(c)) + step.epsilon);
        });
        for (std::size_t c = 0; c < table.cols; ++c) states.store(i, c, squares(c));
      });
    });
  }

  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                       StoredRows table, std::span<float> state) const override {
    detail::check_indexed(gradients, indices, table);
    detail::check_row_state(state, table);
    each_row(gradients, indices, table, [&](std::uint32_t i, const float* gradient, auto to) {
      state[i] += sum_squares(gradient, table.cols) / static_cast<float>(table.cols);
      const float rate = step.learning_rate / (std::sqrt(state[i]) + step.epsilon);
      detail::rewrite_row(to, i, table.cols, [&](std::size_t c) { return std::fma(-rate, gradient[c], to.row(i)[c]); });
    });
  }

  void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
            Matrix state) const override {
    detail::check_moments(gradients, indices, table, state);
    each_row(gradients, indices, table, [&](std::uint32_t i, const float* gradient, auto to) {
      float* means = state.row(i);
      float* squares = means + table.cols;
      for (std::size_t c = 0; c < table.cols; ++c) {
        means[c] = std::fma(step.mean_gain, gradient[c] - means[c], means[c]);
        squares[c] = std::fma(step.square_gain, std::fma(gradient[c], gradient[c], -squares[c]), squares[c]);
      }
      detail::rewrite_row(to, i, table.cols, [&](std::size_t c) {
        const float root = std::fma(step.root_scale, std::sqrt(squares[c]), step.epsilon);
        return to.row(i)[c] - step.rate * means[c] / root;
      });
    });
  }

  void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices,
           StoredRows table) const override {
    detail::check_indexed(gradients, indices, table);
    each_row(gradients, indices, table, [&](std::uint32_t i, const float* gradient, auto to) {
      detail::rewrite_row(to, i, table.cols,
                          [&](std::size_t c) { return std::fma(-learning_rate, gradient[c], to.row(i)[c]); });
    });
  }

 private:
  /// Calls update(row of the table, its gradient, access to the table).
  template <class Update>
  static void each_row(ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
                       const Update& update) {
    detail::with_table(table, [&](auto to) {
      for (std::size_t i = 0; i < indices.size(); ++i) update(indices[i], gradients.row(i), to);
    });
  }
};

}  // namespace

const Updates& updates() {
  static const ReferenceUpdates instance;
  return instance;
}

}  // namespace tessera::kernels::reference
