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
        F::compose(sources.row(i), operators.row(relations[i]), queries.row(i), dim, {0, F::query_columns(dim)});
    });
  }

  void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    detail::check_composed(formula, query_gradients, operators, relations, source_gradients);
    const std::size_t dim = query_gradients.cols;
    with_formula(formula, [&]<class F>(F) {
      for (std::size_t i = 0; i < relations.size(); ++i)
        F::backward(operators.row(relations[i]), query_gradients.row(i), source_gradients.row(i), dim,
                    {0, F::query_columns(dim)});
    });
  }

  void operator_gradients(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
                          ConstMatrix query_gradients, Segments segments, Matrix out) const override {
    detail::check_operator_gradients(formula, sources, operators, relations, query_gradients, segments, out);
    const std::size_t dim = sources.cols;
    with_formula(formula, [&]<class F>(F) {
      for (std::size_t u = 0; u < out.rows; ++u) {
        std::fill_n(out.row(u), out.cols, 0.0F);
        for (std::uint32_t k = segments.offsets[u]; k < segments.offsets[u + 1]; ++k) {
          const std::uint32_t i = segments.positions[k];
          F::add_relation_gradient(sources.row(i), operators.row(relations[u]), query_gradients.row(i), out.row(u), dim,
                                   {0, F::relation_columns(dim)});
        }
      }
    });
  }
};

class ReferencePenalties final : public Penalties {
 public:
  void add(RowPower power, float factor, std::span<const float> times, ConstStoredRows table, Indices rows,
           Matrix gradients, Indices to) const override {
    detail::check_penalties(times, table, rows, gradients, to);
    detail::with_table(table, [&](auto from) {
      for (std::size_t k = 0; k < to.size(); ++k)
        power.add_gradient(factor * times[k], from.row(rows[k]), table.cols, gradients.row(to[k]),
                           {0, power.columns(table.cols)});
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
