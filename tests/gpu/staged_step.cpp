// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What a step does between its products.
#include "gpu/staged_support.hpp"

namespace tessera::kernels::testing::staged {
namespace {

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
  void operator_gradients(Formula formula, const OperatorQueries& of, ConstMatrix operators, Indices relations,
                          Matrix out) const override {
    const Grid result(out);
    on_device().composition.operator_gradients(
        formula,
        {Grid(of.sources).view(),
         Grid(of.query_gradients).view(),
         {Elements(of.segments.offsets).view(), Elements(of.segments.positions).view()}},
        Grid(operators).view(), Elements(relations).view(), result.view());
    result.back_to(out);
  }
};

class StagedPenalties final : public Penalties {
 public:
  void add(RowPower power, float factor, const PenalisedRows& of, Matrix gradients, Indices to) const override {
    check_below(of.rows, of.table.rows);
    check_below(to, gradients.rows);
    const Grid result(gradients);
    on_device().penalties.add(power, factor,
                              {StoredGrid(of.table).view(), Elements(of.rows).view(), Elements(of.times).view()},
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
  void score(ConstMatrix queries, ConstStoredRows table, Cells pairs, Indices places,
             std::span<float> out) const override {
    check(pairs, queries.rows, table.rows);
    check_below(places, out.size());
    const Elements result(out);
    on_device().targets.score(Grid(queries).view(), StoredGrid(table).view(),
                              {Elements(pairs.rows).view(), Elements(pairs.cols).view()}, Elements(places).view(),
                              result.view());
    result.back_to(out);
  }
  void add_weighted(WeightedRows weighted, Segments segments, Matrix out, Indices to) const override {
    check_below(weighted.row_of, weighted.table.rows);
    check_below(to, out.rows);
    const Grid result(out);
    const Grid extra(weighted.extra);
    on_device().targets.add_weighted(
        {Elements(weighted.weights).view(), Elements(weighted.weight_of).view(), StoredGrid(weighted.table).view(),
         Elements(weighted.row_of).view(), extra.view()},
        {Elements(segments.offsets).view(), Elements(segments.positions).view()}, result.view(), Elements(to).view());
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
  void of_part(ConstMatrix powers, ConstMatrix sums, std::span<const float> maxima, float shift,
               std::span<Statistic> out) const override {
    through(out, [&](device::Span<Statistic> to) {
      on_device().statistics.of_part(Grid(powers).view(), Grid(sums).view(), Elements(maxima).view(), shift, to);
    });
  }
  void of_part(ConstMatrix softplus, ConstMatrix sums, std::span<Statistic> out) const override {
    through(out, [&](device::Span<Statistic> to) {
      on_device().statistics.of_part(Grid(softplus).view(), Grid(sums).view(), to);
    });
  }
  void merge(std::span<const Statistic> right, std::span<Statistic> into) const override {
    through(into, [&](device::Span<Statistic> to) { on_device().statistics.merge(Elements(right).view(), to); });
  }
  void add(std::span<const Statistic> right, std::span<Statistic> into) const override {
    through(into, [&](device::Span<Statistic> to) { on_device().statistics.add(Elements(right).view(), to); });
  }
  void terms(const CandidateLoss& of, std::span<const Statistic> all, const QueryTargets& targets,
             std::span<LossTerms> terms) const override {
    const Elements weights(targets.weights);
    through(terms, [&](device::Span<LossTerms> to) {
      on_device().statistics.terms(of, Elements(all).view(),
                                   {Elements(targets.scores).view(), Elements(targets.first).view(), weights.view(),
                                    Elements(targets.times).view()},
                                   to);
    });
    weights.back_to(targets.weights);
  }
  void factors(ConstMatrix powers, std::span<const float> maxima, float shift, std::span<const LossTerms> terms,
               Matrix out) const override {
    const Grid result(out);
    on_device().statistics.factors(Grid(powers).view(), Elements(maxima).view(), shift, Elements(terms).view(),
                                   result.view());
    result.back_to(out);
  }
  void add_losses(std::span<const LossTerms> terms, std::uint64_t step, std::span<LossSum> sum) const override {
    through(sum,
            [&](device::Span<LossSum> to) { on_device().statistics.add_losses(Elements(terms).view(), step, to); });
  }
  void add_losses(double weight, std::span<const float> losses, std::uint64_t step,
                  std::span<LossSum> sum) const override {
    through(sum, [&](device::Span<LossSum> to) {
      on_device().statistics.add_losses(weight, Elements(losses).view(), step, to);
    });
  }
  void add_each_loss(std::span<const float> losses, std::uint64_t step, std::span<LossSum> sum) const override {
    through(sum,
            [&](device::Span<LossSum> to) { on_device().statistics.add_each_loss(Elements(losses).view(), step, to); });
  }
};

}  // namespace

const Composition& composition() {
  static const StagedComposition instance;
  return instance;
}

const Penalties& penalties() {
  static const StagedPenalties instance;
  return instance;
}

const Targets& targets() {
  static const StagedTargets instance;
  return instance;
}

const Statistics& statistics() {
  static const StagedStatistics instance;
  return instance;
}

}  // namespace tessera::kernels::testing::staged
