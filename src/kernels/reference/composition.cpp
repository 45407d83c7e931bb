// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/row_access.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>

namespace tessera::kernels::reference {
namespace {

using Indices = std::span<const std::uint32_t>;

class ReferenceComposition final : public Composition {
 public:
  void compose(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
               Matrix queries) const override {
    detail::check_composed(formula, sources, operators, relations, queries);
    const std::size_t dim = sources.cols;
    with_formula(formula, [&]<class F>(F) {
      for (std::size_t i = 0; i < relations.size(); ++i)
        F::compose(sources.row(i), operators.row(relations[i]), queries.row(i), {0, F::query_columns(dim), dim});
    });
  }

  void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    detail::check_composed(formula, query_gradients, operators, relations, source_gradients);
    const std::size_t dim = query_gradients.cols;
    with_formula(formula, [&]<class F>(F) {
      for (std::size_t i = 0; i < relations.size(); ++i)
        F::backward(operators.row(relations[i]), query_gradients.row(i), source_gradients.row(i),
                    {0, F::query_columns(dim), dim});
    });
  }

  void operator_gradients(Formula formula, const OperatorQueries& of, ConstMatrix operators, Indices relations,
                          Matrix out) const override {
    detail::check_operator_gradients(formula, of, operators, relations, out);
    const std::size_t dim = of.sources.cols;
    with_formula(formula, [&]<class F>(F) {
      for (std::size_t u = 0; u < out.rows; ++u) {
        std::fill_n(out.row(u), out.cols, 0.0F);
        for (std::uint32_t k = of.segments.offsets[u]; k < of.segments.offsets[u + 1]; ++k) {
          const std::uint32_t i = of.segments.positions[k];
          F::add_relation_gradient(of.sources.row(i), operators.row(relations[u]), of.query_gradients.row(i),
                                   out.row(u), {0, F::relation_columns(dim), dim});
        }
      }
    });
  }
};

class ReferencePenalties final : public Penalties {
 public:
  void add(RowPower power, float factor, const PenalisedRows& of, Matrix gradients, Indices to) const override {
    detail::check_penalties(of, gradients, to);
    const std::size_t dim = of.table.cols;
    detail::with_table(of.table, [&](auto from) {
      for (std::size_t k = 0; k < to.size(); ++k)
        power.add_gradient(factor * of.times[k], from.row(of.rows[k]), gradients.row(to[k]),
                           {0, power.columns(dim), dim});
    });
  }
};

}  // namespace

const Composition& composition() {
  static const ReferenceComposition instance;
  return instance;
}

const Penalties& penalties() {
  static const ReferencePenalties instance;
  return instance;
}

}  // namespace tessera::kernels::reference
