// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/scorer.hpp"

#include "core/error.hpp"
#include "model/formulas.hpp"

#include <array>

namespace tessera::model {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;

struct Traits {
  const char* name;
  Similarity similarity;
  bool is_complex;
  bool is_linear;
};

template <class Formula>
class FormulaScorer final : public Scorer {
 public:
  explicit FormulaScorer(Traits traits) : traits_(traits) {}
  [[nodiscard]] const char* name() const override { return traits_.name; }
  [[nodiscard]] Similarity similarity() const override { return traits_.similarity; }
  [[nodiscard]] std::size_t relation_dim(std::size_t dim) const override { return Formula::relation_dim(dim); }
  [[nodiscard]] bool is_complex() const override { return traits_.is_complex; }
  [[nodiscard]] bool is_linear_in_relation() const override { return traits_.is_linear; }

  void compose(ConstMatrix sources, ConstMatrix relation_rows, std::span<const std::uint32_t> relations,
               Matrix queries) const override {
    for (std::size_t i = 0; i < relations.size(); ++i)
      Formula::compose(sources.row(i), relation_rows.row(relations[i]), queries.row(i), sources.cols);
  }

  void backward(ConstMatrix relation_rows, std::span<const std::uint32_t> relations, ConstMatrix query_gradients,
                Matrix source_gradients) const override {
    for (std::size_t i = 0; i < relations.size(); ++i)
      Formula::backward(relation_rows.row(relations[i]), query_gradients.row(i), source_gradients.row(i),
                        query_gradients.cols);
  }

  void add_relation_gradients(ConstMatrix sources, const float* relation_row, ConstMatrix query_gradients,
                              std::span<const std::uint32_t> positions, float* relation_gradient) const override {
    for (const std::uint32_t i : positions)
      Formula::add_relation_gradient(sources.row(i), relation_row, query_gradients.row(i), relation_gradient,
                                     sources.cols);
  }

 private:
  Traits traits_;
};

const std::array<const Scorer*, 4>& all_scorers() {
  static const FormulaScorer<TransE> transe_l1({"transe_l1", Similarity::kNegativeL1, false, false});
  static const FormulaScorer<TransE> transe_l2({"transe_l2", Similarity::kNegativeL2, false, false});
  static const FormulaScorer<DistMult> distmult({"distmult", Similarity::kDot, false, true});
  static const FormulaScorer<ComplEx> complex({"complex", Similarity::kDot, true, true});
  static const std::array<const Scorer*, 4> all = {&transe_l1, &transe_l2, &distmult, &complex};
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
