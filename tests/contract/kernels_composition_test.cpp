// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

// Composition and Penalties: that every backend applies the formulas to the right rows, in order, by hand-written sums.
// The formulas themselves are tested in tests/model.
namespace tessera::kernels::testing {
namespace {

const Formula kFormulas[] = {Formula::kTransE, Formula::kDistMult, Formula::kComplEx, Formula::kRotatE,
                             Formula::kRescal, Formula::kCp,       Formula::kSimplE,  Formula::kQuatE};
constexpr std::size_t kDim = 20;

struct Case {
  explicit Case(Formula formula)
      : sources(random_grid(7, kDim, 1, 2)),
        operators(random_grid(4, relation_dim(formula, kDim), 2, 3)),
        gradients(random_grid(7, kDim, 3, 1)) {}
  Grid sources;
  Grid operators;
  Grid gradients;
  std::vector<std::uint32_t> relations{3, 0, 0, 1, 3, 3, 2};
};

class KernelsComposition : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsComposition);

TEST_P(KernelsComposition, QueriesByHand) {
  const Case in(Formula::kComplEx);
  Grid queries(7, kDim, 3, 9.0F);
  backend().composition.compose(Formula::kComplEx, in.sources.view(), in.operators.view(), in.relations,
                                queries.view());
  Grid back(7, kDim, 1, 9.0F);
  backend().composition.backward(Formula::kComplEx, in.operators.view(), in.relations, in.gradients.view(),
                                 back.view());
  constexpr std::size_t kRank = kDim / 2;
  for (std::size_t i = 0; i < 7; ++i)
    for (std::size_t k = 0; k < kRank; ++k) {
      const float a = in.sources.at(i, k);
      const float b = in.sources.at(i, kRank + k);
      const float c = in.operators.at(in.relations[i], k);
      const float d = in.operators.at(in.relations[i], kRank + k);
      ASSERT_EQ(queries.at(i, k), a * c - b * d);
      ASSERT_EQ(queries.at(i, kRank + k), a * d + b * c);
      const float x = in.gradients.at(i, k);
      const float y = in.gradients.at(i, kRank + k);
      ASSERT_EQ(back.at(i, k), x * c + y * d);
      ASSERT_EQ(back.at(i, kRank + k), y * c - x * d);
    }
  EXPECT_TRUE(queries.gaps_intact() && back.gaps_intact());
}

// Whatever cuts the columns, all formulas give the bits of the reference: phases but for the device's sine and cosine.
TEST_P(KernelsComposition, AgreesWithTheReference) {
  for (const Formula formula : kFormulas) {
    const Case in(formula);
    const std::vector<std::uint32_t> distinct{0, 1, 2, 3};
    const std::vector<std::uint32_t> offsets{0, 2, 3, 3, 6};
    const std::vector<std::uint32_t> positions{1, 2, 3, 5, 0, 4};
    Grid outputs[2][3] = {{Grid(7, kDim), Grid(7, kDim), Grid(4, in.operators.cols(), 2, 7.0F)},
                          {Grid(7, kDim), Grid(7, kDim), Grid(4, in.operators.cols(), 2, 7.0F)}};
    for (const bool is_reference : {true, false}) {
      const Composition& by = is_reference ? reference_backend().composition : backend().composition;
      auto& [queries, back, operators] = outputs[is_reference ? 0 : 1];
      by.compose(formula, in.sources.view(), in.operators.view(), in.relations, queries.view());
      by.backward(formula, in.operators.view(), in.relations, in.gradients.view(), back.view());
      by.operator_gradients(formula, {in.sources.view(), in.gradients.view(), {offsets, positions}},
                            in.operators.view(), distinct, operators.view());
      EXPECT_TRUE(operators.gaps_intact());
      for (std::size_t c = 0; c < operators.cols(); ++c) EXPECT_EQ(operators.at(2, c), 0.0F);  // nobody has it
    }
#ifdef TESSERA_CONTRACT_ON_DEVICE
    if (formula == Formula::kRotatE) continue;
#endif
    for (std::size_t k = 0; k < 3; ++k)
      EXPECT_TRUE(same_bits(outputs[0][k], outputs[1][k])) << "formula " << static_cast<int>(formula);
  }
}

// One after the other: the sum of three rows whose order shows.
TEST_P(KernelsComposition, OperatorGradientsAreAddedInOrder) {
  Grid sources(3, 2);
  Grid gradients(3, 2, 0, 1.0F);
  const Grid operators(1, 2);
  const float values[] = {1e8F, 1.0F, -1e8F};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t c = 0; c < 2; ++c) sources.at(i, c) = values[i];
  const std::vector<std::uint32_t> zero{0};
  const std::vector<std::uint32_t> offsets{0, 3};
  for (const auto& [positions, sum] :
       {std::pair(std::vector<std::uint32_t>{0, 2, 1}, 1.0F), {std::vector<std::uint32_t>{0, 1, 2}, 0.0F}}) {
    Grid out(1, 2);
    backend().composition.operator_gradients(Formula::kDistMult,
                                             {sources.view(), gradients.view(), {offsets, positions}}, operators.view(),
                                             zero, out.view());
    EXPECT_EQ(out.at(0, 0), sum);
    EXPECT_EQ(out.at(0, 1), sum);
  }
}

TEST_P(KernelsComposition, PenaltiesByHand) {
  const Grid table = random_grid(9, kDim, 5, 1);
  const std::vector<std::uint32_t> rows{8, 2, 2};
  const std::vector<std::uint32_t> to{1, 0, 3};
  const std::vector<float> times{1.0F, 3.0F, 0.0F};
  for (const bool is_complex : {false, true})
    for (const float power : {2.0F, 3.0F, 4.0F}) {
      const Grid before = random_grid(4, kDim, 6, 2);
      Grid gradients = before;
      backend().penalties.add({power, is_complex}, 0.25F, {table.view(), rows, times}, gradients.view(), to);
      Grid expected = before;
      for (std::size_t k = 0; k < 2; ++k)  // the third counts 0 times
        for (std::size_t c = 0; c < kDim; ++c) {
          const double x = table.at(rows[k], c);
          const double other = is_complex ? table.at(rows[k], c < kDim / 2 ? c + kDim / 2 : c - kDim / 2) : 0.0;
          const double slope = power * std::pow(x * x + other * other, power / 2 - 1);
          ASSERT_NEAR(gradients.at(to[k], c), before.at(to[k], c) + 0.25 * times[k] * slope * x, 2e-5);
          expected.at(to[k], c) = gradients.at(to[k], c);
        }
      EXPECT_TRUE(same_bits(gradients, expected) && gradients.gaps_intact());
      Grid by_reference = before;
      reference_backend().penalties.add({power, is_complex}, 0.25F, {table.view(), rows, times}, by_reference.view(),
                                        to);
      EXPECT_TRUE(same_bits(gradients, by_reference));
    }
}

TEST_P(KernelsComposition, WrongShapesAndIndicesAreRefused) {
  const Case in(Formula::kCp);
  Grid queries(7, kDim);
  const std::vector<std::uint32_t> few{0};
  const std::vector<std::uint32_t> outside{0, 0, 0, 0, 0, 0, 4};
  const auto compose = [&](Formula formula, const std::vector<std::uint32_t>& relations) {
    backend().composition.compose(formula, in.sources.view(), in.operators.view(), relations, queries.view());
  };
  EXPECT_ANY_THROW(compose(Formula::kDistMult, in.relations));
  EXPECT_ANY_THROW(compose(Formula::kCp, few));
  EXPECT_ANY_THROW(compose(Formula::kCp, outside));
  const std::vector<float> times{1};
  const std::vector<std::uint32_t> seven{7};
  EXPECT_ANY_THROW(backend().penalties.add({}, 1, {in.sources.view(), seven, times}, queries.view(), few));
  EXPECT_ANY_THROW(backend().penalties.add({}, 1, {in.sources.view(), few, times}, queries.view(), seven));
}

}  // namespace
}  // namespace tessera::kernels::testing
