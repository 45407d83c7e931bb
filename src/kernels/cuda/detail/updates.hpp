// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/cuda/detail/rowwise_adagrad.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

using kernels::detail::with_state;

/// An update of an element: load() reads it, changed() is the new element of the row, keep() writes the state. A format
/// whose elements are independent takes an update as an element (rows.hpp).
template <class Update>
struct UpdateElement : Update {
  using Value = typename Update::Value;
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, const Value& value) const {
    this->keep(i, c, value);
    this->table.store(this->indices[i], c, this->changed(value));
  }
};

/// An update of rows in int8: the lanes find the largest magnitude of the new row, then write its codes, then one
/// writes its scale. A lane reads and writes columns of its own.
template <class Update>
struct UpdateRowsBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = LaneValues<std::uint32_t>;
  struct Registers {
    float scale;
  };
  Update update;
  std::size_t rows;
  std::size_t cols;

  TESSERA_HOST_DEVICE unsigned phases() const { return 3; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= rows) return;
    const std::uint32_t row = update.indices[at.row];
    float* hot = update.table.hot_row(row);
    if (phase == 0) {
      shared.at[at.slot][at.lane] = hot != nullptr ? 0 : largest(at);
    } else if (phase == 1) {
      registers.scale = scale_of(largest_of(shared.at[at.slot]), update.table.row(row).scale);
      write(at, row, hot, inverse_of(registers.scale));
    } else if (at.lane == 0 && hot == nullptr) {
      update.table.store_scale(row, registers.scale);
    }
  }

 private:
  TESSERA_HOST_DEVICE std::uint32_t largest(const LaneAt& at) const {
    std::uint32_t largest = 0;
    for (std::size_t c = at.lane; c < cols; c += kLanes)
      largest = larger_magnitude(largest, update.changed(update.load(at.row, c)));
    return largest;
  }

  TESSERA_HOST_DEVICE void write(const LaneAt& at, std::uint32_t row, float* hot, float inverse) const {
    for (std::size_t c = at.lane; c < cols; c += kLanes) {
      const typename Update::Value value = update.load(at.row, c);
      update.keep(at.row, c, value);
      if (hot != nullptr)
        hot[c] = update.changed(value);
      else
        update.table.store_code(row, c, update.changed(value), inverse);
    }
  }
};

template <class Rows, class State>
struct AdagradUpdate {
  struct Value {
    float gradient;
    float squares;
    float row;
  };
  AdagradStep step;
  ConstTable gradients;
  const std::uint32_t* indices;
  Rows table;
  State state;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t c) const {
    return {gradients.row(i)[c], state.row(indices[i])[c], table.row(indices[i])[c]};
  }
  TESSERA_HOST_DEVICE static float squares(const Value& value) {
    return fmaf(value.gradient, value.gradient, value.squares);
  }
  TESSERA_HOST_DEVICE float changed(const Value& value) const {
    return value.row - step.learning_rate * value.gradient / (sqrtf(squares(value)) + step.epsilon);
  }
  TESSERA_HOST_DEVICE void keep(std::size_t i, std::size_t c, const Value& value) const {
    state.store(indices[i], c, squares(value));
  }
};

template <class Rows>
struct AdamUpdate {
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
  TESSERA_HOST_DEVICE float mean(const Value& value) const {
    return fmaf(step.mean_gain, value.gradient - value.mean, value.mean);
  }
  TESSERA_HOST_DEVICE float squares(const Value& value) const {
    return fmaf(step.square_gain, fmaf(value.gradient, value.gradient, -value.squares), value.squares);
  }
  TESSERA_HOST_DEVICE float changed(const Value& value) const {
    return value.row - step.rate * mean(value) / fmaf(step.root_scale, sqrtf(squares(value)), step.epsilon);
  }
  TESSERA_HOST_DEVICE void keep(std::size_t i, std::size_t c, const Value& value) const {
    state.row(indices[i])[c] = mean(value);
    state.row(indices[i])[dim + c] = squares(value);
  }
};

template <class Rows>
struct SgdUpdate {
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
  TESSERA_HOST_DEVICE float changed(const Value& value) const {
    return fmaf(-learning_rate, value.gradient, value.row);
  }
  TESSERA_HOST_DEVICE void keep(std::size_t /*i*/, std::size_t /*c*/, const Value& /*value*/) const {}
};

template <class Launcher>
class GridUpdates final : public BasicUpdates<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using StoredRows = BasicStoredRows<Launcher::kSpace>;
  using StoredState = BasicStoredState<Launcher::kSpace>;
  using Indices = Vector<Launcher::kSpace, const std::uint32_t>;

 public:
  explicit GridUpdates(Launcher launch) : launch_(launch) {}

  void adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, StoredRows table,
               StoredState state) const override {
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_indexed(gradients, indices, state);
    with_table(table, [&]<class Rows>(Rows rows) {
      with_state(state, table.rounding, [&]<class State>(State states) {
        launch_update<Rows>(gradients,
                            AdagradUpdate<Rows, State>{step, ConstTable(gradients), indices.data(), rows, states});
      });
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
      launch_update<Rows>(
          gradients, AdamUpdate<Rows>{step, ConstTable(gradients), indices.data(), rows, Table(state), table.cols});
    });
  }

  void sgd(float learning_rate, ConstMatrix gradients, Indices indices, StoredRows table) const override {
    kernels::detail::check_indexed(gradients, indices, table);
    with_table(table, [&]<class Rows>(Rows rows) {
      launch_update<Rows>(gradients, SgdUpdate<Rows>{learning_rate, ConstTable(gradients), indices.data(), rows});
    });
  }

 private:
  template <class Rows, class Update>
  void launch_update(ConstMatrix gradients, Update update) const {
    if constexpr (Rows::kIsScaled)
      launch_(blocks_of(kLaneRows, gradients.rows), UpdateRowsBody<Update>{update, gradients.rows, gradients.cols});
    else
      launch_elements(launch_, gradients.rows, gradients.cols, UpdateElement<Update>{update});
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
