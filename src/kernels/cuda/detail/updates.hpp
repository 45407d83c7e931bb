// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

template <class Rows>
struct AdagradElement {
  struct Value {
    float gradient;
    float squares;
    float row;
  };
  AdagradStep step;
  ConstTable gradients;
  const std::uint32_t* indices;
  Rows table;
  Table state;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t c) const {
    return {gradients.row(i)[c], state.row(indices[i])[c], table.row(indices[i])[c]};
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, const Value& value) const {
    const float squares = fmaf(value.gradient, value.gradient, value.squares);
    state.row(indices[i])[c] = squares;
    table.store(indices[i], c, value.row - step.learning_rate * value.gradient / (sqrtf(squares) + step.epsilon));
  }
};

template <class Rows>
struct AdamElement {
  struct Value {
    float gradient;
    float mean;
    float squares;
    float row;
  };
  AdamStep step;
  ConstTable gradients;
  const std::uint32_t* indices;
  Rows table;
  Table state;
  std::size_t dim;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t c) const {
    const float* moments = state.row(indices[i]);
    return {gradients.row(i)[c], moments[c], moments[dim + c], table.row(indices[i])[c]};
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, const Value& value) const {
    const float gradient = value.gradient;
    const float mean = fmaf(step.mean_gain, gradient - value.mean, value.mean);
    const float squares = fmaf(step.square_gain, fmaf(gradient, gradient, -value.squares), value.squares);
    state.row(indices[i])[c] = mean;
    state.row(indices[i])[dim + c] = squares;
    table.store(indices[i], c, value.row - step.rate * mean / fmaf(step.root_scale, sqrtf(squares), step.epsilon));
  }
};

template <class Rows>
struct SgdElement {
  struct Value {
    float gradient;
    float row;
  };
  float learning_rate;
  ConstTable gradients;
  const std::uint32_t* indices;
  Rows table;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t c) const {
    return {gradients.row(i)[c], table.row(indices[i])[c]};
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, const Value& value) const {
    table.store(indices[i], c, fmaf(-learning_rate, value.gradient, value.row));
  }
};

/// The lanes sum the squares of a row, then all lanes update the row, then one updates its state.
template <class Rows>
struct RowwiseAdagradBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = LaneValues<float>;
  struct Registers {
    float squares;
  };
  AdagradStep step;
  ConstTable gradients;
  const std::uint32_t* indices;
  std::size_t rows;
  std::size_t cols;
  Rows table;
  float* state;

  TESSERA_HOST_DEVICE unsigned phases() const { return 3; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= rows) return;
    if (phase == 0) {
      shared.at[at.slot][at.lane] = sum_squares(gradients.row(at.row), at.lane);
    } else if (phase == 1) {
      registers.squares = state[indices[at.row]] + sum_tree(shared.at[at.slot]) / static_cast<float>(cols);
      update(at.row, at.lane, registers.squares);
    } else if (at.lane == 0) {
      state[indices[at.row]] = registers.squares;
    }
  }

 private:
  TESSERA_HOST_DEVICE float sum_squares(const float* values, unsigned lane) const {
    float sum = 0;
    for (std::size_t k = lane; k < cols; k += kLanes) sum = fmaf(values[k], values[k], sum);
    return sum;
  }

  TESSERA_HOST_DEVICE void update(std::size_t i, unsigned lane, float squares) const {
    const float rate = step.learning_rate / (sqrtf(squares) + step.epsilon);
    const auto row = table.row(indices[i]);
    for (std::size_t c = lane; c < cols; c += kLanes)
      table.store(indices[i], c, fmaf(-rate, gradients.row(i)[c], row[c]));
  }
};

template <class Launcher>
class GridUpdates final : public BasicUpdates<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using StoredRows = BasicStoredRows<Launcher::kSpace>;
  using Indices = Vector<Launcher::kSpace, const std::uint32_t>;

 public:
  explicit GridUpdates(Launcher launch) : launch_(launch) {}

  void adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, StoredRows table,
               Matrix state) const override {
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_indexed(gradients, indices, state);
    with_table(table, [&]<class Rows>(Rows rows) {
      launch_elements(launch_, gradients.rows, table.cols,
                      AdagradElement<Rows>{step, ConstTable(gradients), indices.data(), rows, Table(state)});
    });
  }

  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, StoredRows table,
                       Vector<Launcher::kSpace, float> state) const override {
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_row_state(state, table);
    with_table(table, [&]<class Rows>(Rows rows) {
      launch_(blocks_of(kLaneRows, gradients.rows),
              RowwiseAdagradBody<Rows>{step, ConstTable(gradients), indices.data(), gradients.rows, table.cols, rows,
                                       state.data()});
    });
  }

  void adam(AdamStep step, ConstMatrix gradients, Indices indices, StoredRows table, Matrix state) const override {
    kernels::detail::check_moments(gradients, indices, table, state);
    with_table(table, [&]<class Rows>(Rows rows) {
      launch_elements(launch_, gradients.rows, table.cols,
                      AdamElement<Rows>{step, ConstTable(gradients), indices.data(), rows, Table(state), table.cols});
    });
  }

  void sgd(float learning_rate, ConstMatrix gradients, Indices indices, StoredRows table) const override {
    kernels::detail::check_indexed(gradients, indices, table);
    with_table(table, [&]<class Rows>(Rows rows) {
      launch_elements(launch_, gradients.rows, table.cols,
                      SgdElement<Rows>{learning_rate, ConstTable(gradients), indices.data(), rows});
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
