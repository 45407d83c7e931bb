// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/scorer.hpp"

#include "core/error.hpp"

#include <fmt/ranges.h>

#include <array>

namespace tessera::model {
namespace {

using kernels::ComplEx;
using kernels::ConstMatrix;
using kernels::Cp;
using kernels::DistMult;
using kernels::Formula;
using kernels::Matrix;
using kernels::QuatE;
using kernels::Rescal;
using kernels::RotatE;
using kernels::Similarity;
using kernels::SimplE;
using kernels::TransE;

struct Traits {
  const char* name;
  Formula formula;
  Similarity similarity;
  bool is_complex = false;
  bool is_relation_complex = false;
  bool is_linear_in_relation = false;
  bool has_phases = false;
  bool has_core = false;
  std::size_t dim_unit = 1;
};

template <class F>
class FormulaScorer final : public Scorer {
 public:
  explicit FormulaScorer(Traits traits) : traits_(traits) {}
  [[nodiscard]] const char* name() const override { return traits_.name; }
  [[nodiscard]] Formula formula() const override { return traits_.formula; }
  [[nodiscard]] Similarity similarity() const override { return traits_.similarity; }
  [[nodiscard]] std::size_t operator_dim(std::size_t dim) const override { return F::relation_dim(dim); }
  [[nodiscard]] bool has_core() const override { return traits_.has_core; }
  [[nodiscard]] bool is_complex() const override { return traits_.is_complex; }
  [[nodiscard]] bool is_relation_complex() const override { return traits_.is_relation_complex; }
  [[nodiscard]] bool is_linear_in_relation() const override { return traits_.is_linear_in_relation; }
  [[nodiscard]] bool has_phases() const override { return traits_.has_phases; }
  [[nodiscard]] std::size_t dim_unit() const override { return traits_.dim_unit; }

  void compose(ConstMatrix sources, ConstMatrix operators, std::span<const std::uint32_t> relations,
               Matrix queries) const override {
    for (std::size_t i = 0; i < relations.size(); ++i)
      F::compose(sources.row(i), operators.row(relations[i]), queries.row(i),
                 {0, F::query_columns(sources.cols), sources.cols});
  }

  void backward(ConstMatrix operators, std::span<const std::uint32_t> relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    for (std::size_t i = 0; i < relations.size(); ++i)
      F::backward(operators.row(relations[i]), query_gradients.row(i), source_gradients.row(i),
                  {0, F::query_columns(query_gradients.cols), query_gradients.cols});
  }

  void add_operator_gradients(ConstMatrix sources, const float* relation_operator, ConstMatrix query_gradients,
                              std::span<const std::uint32_t> positions, float* operator_gradient) const override {
    for (const std::uint32_t i : positions)
      F::add_relation_gradient(sources.row(i), relation_operator, query_gradients.row(i), operator_gradient,
                               {0, F::relation_columns(sources.cols), sources.cols});
  }

 private:
  Traits traits_;
};

const std::array<const Scorer*, 10>& all_scorers() {
  static const FormulaScorer<TransE> transe_l1(
      {.name = "transe_l1", .formula = Formula::kTransE, .similarity = Similarity::kNegativeL1});
  static const FormulaScorer<TransE> transe_l2(
      {.name = "transe_l2", .formula = Formula::kTransE, .similarity = Similarity::kNegativeL2});
  static const FormulaScorer<DistMult> distmult({.name = "distmult",
                                                 .formula = Formula::kDistMult,
                                                 .similarity = Similarity::kDot,
                                                 .is_linear_in_relation = true});
  static const FormulaScorer<ComplEx> complex({.name = "complex",
                                               .formula = Formula::kComplEx,
                                               .similarity = Similarity::kDot,
                                               .is_complex = true,
                                               .is_relation_complex = true,
                                               .is_linear_in_relation = true,
                                               .dim_unit = 2});
  static const FormulaScorer<RotatE> rotate({.name = "rotate",
                                             .formula = Formula::kRotatE,
                                             .similarity = Similarity::kNegativeL2,
                                             .is_complex = true,
                                             .has_phases = true,
                                             .dim_unit = 2});
  static const FormulaScorer<Rescal> rescal(
      {.name = "rescal", .formula = Formula::kRescal, .similarity = Similarity::kDot, .is_linear_in_relation = true});
  static const FormulaScorer<Cp> cp({.name = "cp",
                                     .formula = Formula::kCp,
                                     .similarity = Similarity::kDot,
                                     .is_linear_in_relation = true,
                                     .dim_unit = 2});
  static const FormulaScorer<Rescal> tucker({.name = "tucker",
                                             .formula = Formula::kRescal,
                                             .similarity = Similarity::kDot,
                                             .is_linear_in_relation = true,
                                             .has_core = true});
  static const FormulaScorer<SimplE> simple({.name = "simple",
                                             .formula = Formula::kSimplE,
                                             .similarity = Similarity::kDot,
                                             .is_linear_in_relation = true,
                                             .dim_unit = 2});
  static const FormulaScorer<QuatE> quate(
      {.name = "quate", .formula = Formula::kQuatE, .similarity = Similarity::kDot, .dim_unit = 4});
  static const std::array<const Scorer*, 10> all = {&transe_l1, &transe_l2, &distmult, &complex, &rotate,
                                                    &rescal,    &cp,        &tucker,   &simple,  &quate};
  return all;
}

}  // namespace

const Scorer& find_scorer(const std::string& name) {
  for (const Scorer* scorer : all_scorers())
    if (name == scorer->name()) return *scorer;
  fail(ExitStatus::kUsage, "model '{}' is not known; it is one of: {}", name, fmt::join(scorer_names(), ", "));
}

std::vector<std::string> scorer_names() {
  std::vector<std::string> names;
  for (const Scorer* scorer : all_scorers()) names.emplace_back(scorer->name());
  return names;
}

}  // namespace tessera::model
