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
  void to_queries_tiled(TiledWeights weights, ConstMatrix rows, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_queries_tiled({Grid(weights.weights).view(), Grid(weights.factors).view(), weights.tile},
                                           Grid(rows).view(), result.view());
    result.back_to(out);
  }
  void to_rows_tiled(TiledWeights weights, ConstMatrix queries, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_rows_tiled({Grid(weights.weights).view(), Grid(weights.factors).view(), weights.tile},
                                        Grid(queries).view(), result.view());
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
  void exponentials(Matrix logits, std::size_t tile, Matrix highest, Matrix sums) const override {
    const Grid powers(logits);
    const Grid first(highest);
    const Grid second(sums);
    on_device().softmax.exponentials(powers.view(), tile, first.view(), second.view());
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
  void add(ConstMatrix in, Indices from, Indices to, Matrix table) const override {
    check_below(from, in.rows);
    check_below(to, table.rows);
    const Grid result(table);
    on_device().rows.add(Grid(in).view(), Elements(from).view(), Elements(to).view(), result.view());
    result.back_to(table);
  }
  void clear(Matrix out) const override {
    const Grid result(out);
    on_device().rows.clear(result.view());
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

class StagedComposition final : public Composition {
 public:
  void compose(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
               Matrix queries) const override {
    check_below(relations, operators.rows);
    const Grid result(queries);
    on_device().composition.compose(formula, Grid(sources).view(), Grid(operators).view(), Elements(relations).view(),
                                    result.view());
    result.back_to(queries);
  }
  void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    check_below(relations, operators.rows);
    const Grid result(source_gradients);
    on_device().composition.backward(formula, Grid(operators).view(), Elements(relations).view(),
                                     Grid(query_gradients).view(), result.view());
    result.back_to(source_gradients);
  }
  void operator_gradients(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
                          ConstMatrix query_gradients, Segments segments, Matrix out) const override {
    const Grid result(out);
    on_device().composition.operator_gradients(
        formula, Grid(sources).view(), Grid(operators).view(), Elements(relations).view(), Grid(query_gradients).view(),
        {Elements(segments.offsets).view(), Elements(segments.positions).view()}, result.view());
    result.back_to(out);
  }
};

class StagedPenalties final : public Penalties {
 public:
  void add(RowPower power, float factor, std::span<const float> times, ConstMatrix table, Indices rows,
           Matrix gradients, Indices to) const override {
    check_below(rows, table.rows);
    check_below(to, gradients.rows);
    const Grid result(gradients);
    on_device().penalties.add(power, factor, Elements(times).view(), Grid(table).view(), Elements(rows).view(),
                              result.view(), Elements(to).view());
    result.back_to(gradients);
  }
};

class StagedTargets final : public Targets {
 public:
  void read(ConstMatrix scores, Cells cells, Indices places, std::span<float> out) const override {
    check(cells, scores.rows, scores.cols);
    check_below(places, out.size());
    const Elements result(out);
    on_device().targets.read(Grid(scores).view(), {Elements(cells.rows).view(), Elements(cells.cols).view()},
                             Elements(places).view(), result.view());
    result.back_to(out);
  }
  void write(std::span<const float> values, Cells cells, Matrix scores) const override {
    check(cells, scores.rows, scores.cols);
    const Grid result(scores);
    on_device().targets.write(Elements(values).view(), {Elements(cells.rows).view(), Elements(cells.cols).view()},
                              result.view());
    result.back_to(scores);
  }
  void fill(float value, Runs runs, Matrix scores) const override {
    check_below(runs.rows, scores.rows);
    check_below(runs.cols, scores.cols);
    for (const std::uint32_t end : runs.end) TESSERA_ASSERT(end <= runs.cols.size(), "runs inside the columns");
    const Grid result(scores);
    on_device().targets.fill(value,
                             {Elements(runs.rows).view(), Elements(runs.first).view(), Elements(runs.end).view(),
                              Elements(runs.cols).view()},
                             result.view());
    result.back_to(scores);
  }
  void score(ConstMatrix queries, ConstMatrix table, Cells pairs, Indices places, std::span<float> out) const override {
    check(pairs, queries.rows, table.rows);
    check_below(places, out.size());
    const Elements result(out);
    on_device().targets.score(Grid(queries).view(), Grid(table).view(),
                              {Elements(pairs.rows).view(), Elements(pairs.cols).view()}, Elements(places).view(),
                              result.view());
    result.back_to(out);
  }
  void add_weighted(WeightedRows weighted, Segments segments, Matrix out, Indices to) const override {
    check_below(weighted.row_of, weighted.table.rows);
    check_below(to, out.rows);
    const Grid result(out);
    const Grid extra(weighted.extra);
    on_device().targets.add_weighted({Elements(weighted.weights).view(), Elements(weighted.weight_of).view(),
                                      Grid(weighted.table).view(), Elements(weighted.row_of).view(), extra.view()},
                                     {Elements(segments.offsets).view(), Elements(segments.positions).view()},
                                     result.view(), Elements(to).view());
    result.back_to(out);
  }

 private:
  static void check(const Cells& cells, std::size_t rows, std::size_t cols) {
    check_below(cells.rows, rows);
    check_below(cells.cols, cols);
  }
};

class StagedStatistics final : public Statistics {
 public:
  void of_part(ConstMatrix powers, ConstMatrix sums, std::span<const float> highest, float shift,
               std::span<Statistic> out) const override {
    const Elements result(out);
    on_device().statistics.of_part(Grid(powers).view(), Grid(sums).view(), Elements(highest).view(), shift,
                                   result.view());
    result.back_to(out);
  }
  void merge(std::span<const Statistic> right, std::span<Statistic> into) const override {
    const Elements result(into);
    on_device().statistics.merge(Elements(right).view(), result.view());
    result.back_to(into);
  }
  void terms(SoftmaxLoss of, std::span<const Statistic> all, std::span<const float> target_scores, Indices first_target,
             std::span<SoftmaxTerms> terms, std::span<float> target_weights) const override {
    const Elements first(terms);
    const Elements second(target_weights);
    on_device().statistics.terms(of, Elements(all).view(), Elements(target_scores).view(),
                                 Elements(first_target).view(), first.view(), second.view());
    first.back_to(terms);
    second.back_to(target_weights);
  }
  void factors(ConstMatrix powers, std::span<const float> highest, float shift, std::span<const SoftmaxTerms> terms,
               Matrix out) const override {
    const Grid result(out);
    on_device().statistics.factors(Grid(powers).view(), Elements(highest).view(), shift, Elements(terms).view(),
                                   result.view());
    result.back_to(out);
  }
  void add_losses(std::span<const SoftmaxTerms> terms, std::uint64_t step, std::span<LossSum> sum) const override {
    const Elements result(sum);
    on_device().statistics.add_losses(Elements(terms).view(), step, result.view());
    result.back_to(sum);
  }
  void add_losses(double weight, std::span<const float> losses, std::uint64_t step,
                  std::span<LossSum> sum) const override {
    const Elements result(sum);
    on_device().statistics.add_losses(weight, Elements(losses).view(), step, result.view());
    result.back_to(sum);
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
  static const StagedComposition composition;
  static const StagedPenalties penalties;
  static const StagedTargets targets;
  static const StagedStatistics statistics;
  static const Backend backend{"cuda_staged", scores,      gradients, softmax, rows,      updates,
                               ranks,         composition, penalties, targets, statistics};
  return backend;
}

}  // namespace tessera::kernels::testing
