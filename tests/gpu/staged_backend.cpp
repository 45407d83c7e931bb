// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "gpu/staged_backend.hpp"

#include "core/error.hpp"
#include "device/memory.hpp"
#include "kernels/cuda/device_kernels.hpp"

#include <algorithm>
#include <memory>
#include <type_traits>

namespace tessera::kernels::testing {
namespace {

using Indices = std::span<const std::uint32_t>;

struct OpenDevice {
  device::Device device = device::Device::open(0);
  device::Stream stream{device};
  std::unique_ptr<DeviceKernels> kernels = make_device_kernels(stream.view(), Products::kChain, {});
};

OpenDevice& opened() {
  static OpenDevice instance;
  return instance;
}

const DeviceBackend& on_device() { return opened().kernels->backend(); }

/// A copy of consecutive elements on the device.
template <class T>
class Elements {
 public:
  explicit Elements(std::span<const T> host)
      : block_(opened().device, std::max<std::size_t>(1, host.size_bytes())),
        view_(reinterpret_cast<T*>(block_.span().data()), host.size()) {
    device::copy(host, view_, opened().stream.view());
  }
  [[nodiscard]] device::Span<T> view() const { return view_; }
  void back_to(std::span<T> host) const {
    device::copy(device::Span<const T>(view_), host, opened().stream.view());
    opened().stream.view().synchronize();
  }

 private:
  device::Block block_;
  device::Span<T> view_;
};

template <class T>
Elements(std::span<T>) -> Elements<std::remove_const_t<T>>;

/// The contract of a host backend: the device itself does not notice an index outside of its table.
void check_below(Indices indices, std::size_t rows) {
  for (const std::uint32_t index : indices) TESSERA_ASSERT(index < rows, "row index outside the table");
}

std::size_t extent(ConstMatrix matrix) {
  return matrix.rows == 0 ? 0 : (matrix.rows - 1) * matrix.stride + matrix.cols;
}

/// A copy of a matrix and of what lies between its rows.
class Grid {
 public:
  explicit Grid(ConstMatrix host) : host_(host), elements_(std::span<const float>(host.data, extent(host))) {}
  [[nodiscard]] DeviceMatrix view() const { return {elements_.view().data(), host_.rows, host_.cols, host_.stride}; }
  void back_to(Matrix host) const { elements_.back_to({host.data, extent(host)}); }

 private:
  ConstMatrix host_;
  Elements<float> elements_;
};

class StagedScores final : public Scores {
 public:
  void all_pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Matrix out) const override {
    const Grid result(out);
    on_device().scores.all_pairs(similarity, Grid(queries).view(), Grid(rows).view(), result.view());
    result.back_to(out);
  }
  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const override {
    const Elements result(out);
    on_device().scores.pairs(similarity, Grid(queries).view(), Grid(rows).view(), result.view());
    result.back_to(out);
  }
};

class StagedGradients final : public Gradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_queries(Grid(weights).view(), Grid(rows).view(), result.view());
    result.back_to(out);
  }
  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_rows(Grid(weights).view(), Grid(queries).view(), result.view());
    result.back_to(out);
  }
  void to_rows_scaled(ConstMatrix weights, std::span<const float> factors, ConstMatrix queries,
                      Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_rows_scaled(Grid(weights).view(), Elements(factors).view(), Grid(queries).view(),
                                         result.view());
    result.back_to(out);
  }
};

class StagedSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, std::span<const float> target_scores, float shift, float scale,
                     std::span<float> losses, std::span<float> target_weights) const override {
    const Grid weights(logits);
    const Elements loss(losses);
    const Elements target_weight(target_weights);
    on_device().softmax.cross_entropy(weights.view(), Elements(target_scores).view(), shift, scale, loss.view(),
                                      target_weight.view());
    weights.back_to(logits);
    loss.back_to(losses);
    target_weight.back_to(target_weights);
  }
  void exponentials(Matrix logits, std::span<float> highest, std::span<float> sums) const override {
    const Grid powers(logits);
    const Elements first(highest);
    const Elements second(sums);
    on_device().softmax.exponentials(powers.view(), first.view(), second.view());
    powers.back_to(logits);
    first.back_to(highest);
    second.back_to(sums);
  }
  void logistic(Matrix logits, float offset, std::span<float> softplus, std::span<float> sums) const override {
    const Grid sigmoids(logits);
    const Elements first(softplus);
    const Elements second(sums);
    on_device().softmax.logistic(sigmoids.view(), offset, first.view(), second.view());
    sigmoids.back_to(logits);
    first.back_to(softplus);
    second.back_to(sums);
  }
};

class StagedRows final : public Rows {
 public:
  void gather(ConstMatrix table, Indices indices, Matrix out) const override {
    check_below(indices, table.rows);
    const Grid result(out);
    on_device().rows.gather(Grid(table).view(), Elements(indices).view(), result.view());
    result.back_to(out);
  }
  void scatter(ConstMatrix in, Indices indices, Matrix table) const override {
    check_below(indices, table.rows);
    const Grid result(table);
    on_device().rows.scatter(Grid(in).view(), Elements(indices).view(), result.view());
    result.back_to(table);
  }
  void sum_segments(ConstMatrix in, Indices offsets, Indices positions, Matrix out) const override {
    check_below(positions, in.rows);
    for (const std::uint32_t offset : offsets)
      TESSERA_ASSERT(offset <= positions.size(), "segments inside the positions");
    const Grid result(out);
    on_device().rows.sum_segments(Grid(in).view(), Elements(offsets).view(), Elements(positions).view(), result.view());
    result.back_to(out);
  }
};

class StagedUpdates final : public Updates {
 public:
  void adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, Matrix table, Matrix state) const override {
    check_below(indices, table.rows);
    with_state(table, state, [&](DeviceMatrix rows, DeviceMatrix squares) {
      on_device().updates.adagrad(step, Grid(gradients).view(), Elements(indices).view(), rows, squares);
    });
  }
  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, Matrix table,
                       std::span<float> state) const override {
    check_below(indices, table.rows);
    const Grid rows(table);
    const Elements squares(state);
    on_device().updates.rowwise_adagrad(step, Grid(gradients).view(), Elements(indices).view(), rows.view(),
                                        squares.view());
    rows.back_to(table);
    squares.back_to(state);
  }
  void adam(AdamStep step, ConstMatrix gradients, Indices indices, Matrix table, Matrix state) const override {
    check_below(indices, table.rows);
    with_state(table, state, [&](DeviceMatrix rows, DeviceMatrix moments) {
      on_device().updates.adam(step, Grid(gradients).view(), Elements(indices).view(), rows, moments);
    });
  }
  void sgd(float learning_rate, ConstMatrix gradients, Indices indices, Matrix table) const override {
    check_below(indices, table.rows);
    const Grid rows(table);
    on_device().updates.sgd(learning_rate, Grid(gradients).view(), Elements(indices).view(), rows.view());
    rows.back_to(table);
  }

 private:
  template <class Update>
  static void with_state(Matrix table, Matrix state, const Update& update) {
    const Grid rows(table);
    const Grid states(state);
    update(rows.view(), states.view());
    rows.back_to(table);
    states.back_to(state);
  }
};

class StagedRanks final : public Ranks {
 public:
  void count(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<const float> target_scores,
             std::span<std::uint32_t> n_greater, std::span<std::uint32_t> n_equal) const override {
    const Elements greater(n_greater);
    const Elements equal(n_equal);
    on_device().ranks.count(similarity, Grid(queries).view(), Grid(rows).view(), Elements(target_scores).view(),
                            greater.view(), equal.view());
    greater.back_to(n_greater);
    equal.back_to(n_equal);
  }
};

}  // namespace

const Backend& staged_backend() {
  static const StagedScores scores;
  static const StagedGradients gradients;
  static const StagedSoftmax softmax;
  static const StagedRows rows;
  static const StagedUpdates updates;
  static const StagedRanks ranks;
  static const Backend backend{"cuda_staged", scores, gradients, softmax, rows, updates, ranks};
  return backend;
}

}  // namespace tessera::kernels::testing
