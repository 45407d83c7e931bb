// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// Computes column c of query i by the formula.
template <class F>
struct ComposeElement {
  ConstTable sources;
  ConstTable operators;
  const std::uint32_t* relations;
  Table queries;
  std::size_t dim;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const {
    F::compose(sources.row(i), operators.row(relations[i]), queries.row(i), {c, c + 1, dim});
  }
};

template <class F>
struct BackwardElement {
  ConstTable operators;
  const std::uint32_t* relations;
  ConstTable query_gradients;
  Table source_gradients;
  std::size_t dim;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const {
    F::backward(operators.row(relations[i]), query_gradients.row(i), source_gradients.row(i), {c, c + 1, dim});
  }
};

/// Column c of the gradient of an operator, added up over its queries in order. The formula takes the numbers of a
/// column as a row of its own: a real number, the two parts of a complex one, the four of a quaternion.
template <class F>
struct OperatorGradientElement {
  static constexpr std::size_t kReals = 4 / F::query_columns(4);  // numbers of a column of an entity row
  static constexpr std::size_t kSums = F::relation_dim(kReals);
  static constexpr bool kIsMatrix = F::relation_dim(2) == 4;  // column c is row c / dim, column c % dim of an operator
  struct Value {
    float sums[kSums];
  };
  ConstTable sources;
  ConstTable operators;
  const std::uint32_t* relations;
  ConstTable query_gradients;
  const std::uint32_t* offsets;
  const std::uint32_t* positions;
  Table out;
  std::size_t dim;

  TESSERA_HOST_DEVICE Terms terms(std::size_t u) const { return {offsets[u], offsets[u + 1]}; }
  TESSERA_HOST_DEVICE Value begin(std::size_t /*u*/, std::size_t /*c*/) const { return {}; }
  TESSERA_HOST_DEVICE void add(std::size_t u, std::uint32_t k, std::size_t c, Value& value) const {
    const float* source_row = sources.row(positions[k]) + (kIsMatrix ? c / dim : c);
    const float* gradient_row = query_gradients.row(positions[k]) + (kIsMatrix ? c % dim : c);
    const float* operator_row = operators.row(relations[u]) + c;
    float source[kReals];
    float gradient[kReals];
    float relation[kSums];
    TESSERA_UNROLL
    for (std::size_t part = 0; part < kReals; ++part) {
      source[part] = source_row[part * (dim / kReals)];
      gradient[part] = gradient_row[part * (dim / kReals)];
    }
    TESSERA_UNROLL
    for (std::size_t part = 0; part < kSums; ++part) relation[part] = operator_row[part * (dim / kReals)];
    F::add_relation_gradient(source, relation, gradient, value.sums, {0, 1, kReals});
  }
  TESSERA_HOST_DEVICE void store(std::size_t u, std::size_t c, const Value& value) const {
    TESSERA_UNROLL
    for (std::size_t part = 0; part < kSums; ++part) out.row(u)[part * (dim / kReals) + c] = value.sums[part];
  }
};

template <class From>
struct PenaltyElement {
  RowPower power;
  float factor;
  const float* times;
  From table;
  const std::uint32_t* rows;
  Table gradients;
  const std::uint32_t* to;
  std::size_t dim;
  TESSERA_HOST_DEVICE void operator()(std::size_t k, std::size_t c) const {
    power.add_gradient(factor * times[k], table.row(rows[k]), gradients.row(to[k]), {c, c + 1, dim});
  }
};

template <class Launcher>
class GridComposition final : public BasicComposition<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Indices = Vector<Launcher::kSpace, const std::uint32_t>;

 public:
  explicit GridComposition(Launcher launch) : launch_(launch) {}

  void compose(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
               Matrix queries) const override {
    kernels::detail::check_composed(formula, sources, operators, relations, queries);
    with_formula(formula, [&]<class F>(F) {
      launch_elements(launch_, queries.rows, F::query_columns(queries.cols),
                      ComposeElement<F>{ConstTable(sources), ConstTable(operators), relations.data(), Table(queries),
                                        queries.cols});
    });
  }

  void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    kernels::detail::check_composed(formula, query_gradients, operators, relations, source_gradients);
    with_formula(formula, [&]<class F>(F) {
      launch_elements(launch_, query_gradients.rows, F::query_columns(query_gradients.cols),
                      BackwardElement<F>{ConstTable(operators), relations.data(), ConstTable(query_gradients),
                                         Table(source_gradients), query_gradients.cols});
    });
  }

  void operator_gradients(Formula formula, const BasicOperatorQueries<Launcher::kSpace>& of, ConstMatrix operators,
                          Indices relations, Matrix out) const override {
    kernels::detail::check_operator_gradients(formula, of, operators, relations, out);
    const std::size_t dim = of.sources.cols;
    with_formula(formula, [&]<class F>(F) {
      launch_elements(launch_, out.rows, F::relation_columns(dim),
                      OperatorGradientElement<F>{ConstTable(of.sources), ConstTable(operators), relations.data(),
                                                 ConstTable(of.query_gradients), of.segments.offsets.data(),
                                                 of.segments.positions.data(), Table(out), dim});
    });
  }

 private:
  Launcher launch_;
};

template <class Launcher>
class GridPenalties final : public BasicPenalties<Launcher::kSpace> {
 public:
  explicit GridPenalties(Launcher launch) : launch_(launch) {}

  void add(RowPower power, float factor, const BasicPenalisedRows<Launcher::kSpace>& of,
           BasicMatrix<Launcher::kSpace> gradients, Vector<Launcher::kSpace, const std::uint32_t> to) const override {
    kernels::detail::check_penalties(of, gradients, to);
    with_table(of.table, [&]<class From>(From from) {
      launch_elements(launch_, to.size(), power.columns(of.table.cols),
                      PenaltyElement<From>{power, factor, of.times.data(), from, of.rows.data(), Table(gradients),
                                           to.data(), of.table.cols});
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
