// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

const std::size_t kWidths[] = {1, 3, 15, 16, 17, 31, 33, 64, 100, 128};
const std::vector<std::uint32_t> kIndices{19, 0, 7, 3, 12};
constexpr AdagradStep kStep{0.25F, 1e-8F};
constexpr AdamStep kAdamStep{0.25F, 1.5F, 0.1F, 0.01F, 1e-8F};

class KernelsUpdates : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsUpdates);

Grid squares(std::size_t rows, std::size_t cols) {
  Grid state = random_grid(rows, cols, 3, 2);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) state.at(i, j) *= state.at(i, j);
  return state;
}

TEST_P(KernelsUpdates, AdagradFollowsItsFormula) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 1, 1);
    const Grid table_before = random_grid(20, width, 2, 3);
    const Grid state_before = squares(20, width);
    Grid table = table_before;
    Grid state = state_before;
    backend().updates.adagrad(kStep, gradients.view(), kIndices, table.view(), state.view());
    Grid want_table = table_before;
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c) {
        const std::size_t row = kIndices[i];
        const double g = gradients.at(i, c);
        const double sum = state_before.at(row, c) + g * g;
        const double change = kStep.learning_rate * g / (std::sqrt(sum) + kStep.epsilon);
        ASSERT_NEAR(state.at(row, c), sum, kEpsilon * sum);
        ASSERT_NEAR(table.at(row, c), table_before.at(row, c) - change,
                    kEpsilon * std::abs(table.at(row, c)) + 4 * kEpsilon * std::abs(change));
        want_table.at(row, c) = table.at(row, c);
      }
    EXPECT_TRUE(same_bits(table, want_table));  // the other rows are as they were
    EXPECT_TRUE(table.gaps_intact() && state.gaps_intact());
  }
}

TEST_P(KernelsUpdates, RowwiseAdagradFollowsItsFormula) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 4, 1);
    const Grid table_before = random_grid(20, width, 5, 3);
    Grid table = table_before;
    std::vector<float> state(20, 0.5F);
    backend().updates.rowwise_adagrad(kStep, gradients.view(), kIndices, table.view(), state);
    for (std::size_t i = 0; i < kIndices.size(); ++i) {
      const std::size_t row = kIndices[i];
      double mean = 0;
      for (std::size_t c = 0; c < width; ++c)
        mean += static_cast<double>(gradients.at(i, c)) * gradients.at(i, c) / static_cast<double>(width);
      const double sum = 0.5 + mean;
      ASSERT_NEAR(state[row], sum, 16 * kEpsilon * sum);
      for (std::size_t c = 0; c < width; ++c) {
        const double change = kStep.learning_rate * gradients.at(i, c) / (std::sqrt(sum) + kStep.epsilon);
        ASSERT_NEAR(table.at(row, c), table_before.at(row, c) - change,
                    kEpsilon * std::abs(table.at(row, c)) + 16 * kEpsilon * std::abs(change));
      }
    }
    EXPECT_EQ(state[1], 0.5F);
    for (std::size_t c = 0; c < width; ++c) EXPECT_EQ(table.at(1, c), table_before.at(1, c));
    EXPECT_TRUE(table.gaps_intact());
  }
}

/// Any means, and squares that are not negative, side by side.
Grid moments(std::size_t rows, std::size_t dim) {
  Grid state = random_grid(rows, 2 * dim, 10, 2);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = dim; j < 2 * dim; ++j) state.at(i, j) *= state.at(i, j);
  return state;
}

TEST_P(KernelsUpdates, AdamFollowsItsFormula) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 11, 1);
    const Grid table_before = random_grid(20, width, 12, 3);
    const Grid state_before = moments(20, width);
    Grid table = table_before;
    Grid state = state_before;
    backend().updates.adam(kAdamStep, gradients.view(), kIndices, table.view(), state.view());
    Grid want_table = table_before;
    Grid want_state = state_before;
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c) {
        const std::size_t row = kIndices[i];
        const double g = gradients.at(i, c);
        const double m = (1 - double{kAdamStep.mean_gain}) * state_before.at(row, c) + kAdamStep.mean_gain * g;
        const double v =
            (1 - double{kAdamStep.square_gain}) * state_before.at(row, width + c) + kAdamStep.square_gain * g * g;
        const double root = kAdamStep.root_scale * std::sqrt(v) + kAdamStep.epsilon;
        const double magnitude = std::abs(state_before.at(row, c)) + std::abs(g);  // m may cancel
        ASSERT_NEAR(state.at(row, c), m, kEpsilon * magnitude);
        ASSERT_NEAR(state.at(row, width + c), v, 2 * kEpsilon * v);
        ASSERT_NEAR(table.at(row, c), table_before.at(row, c) - kAdamStep.rate * m / root,
                    kEpsilon * std::abs(table.at(row, c)) + 8 * kEpsilon * kAdamStep.rate * magnitude / root);
        want_table.at(row, c) = table.at(row, c);
        want_state.at(row, c) = state.at(row, c);
        want_state.at(row, width + c) = state.at(row, width + c);
      }
    EXPECT_TRUE(same_bits(table, want_table));  // the other rows are as they were
    EXPECT_TRUE(same_bits(state, want_state));
    EXPECT_TRUE(table.gaps_intact() && state.gaps_intact());
  }
}

TEST_P(KernelsUpdates, SgdFollowsItsFormula) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 13, 1);
    Grid table = random_grid(20, width, 14, 3);
    Grid want = table;
    backend().updates.sgd(0.3F, gradients.view(), kIndices, table.view());
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c)
        want.at(kIndices[i], c) = std::fma(-0.3F, gradients.at(i, c), want.at(kIndices[i], c));
    EXPECT_TRUE(same_bits(table, want));
    EXPECT_TRUE(table.gaps_intact());
  }
}

TEST_P(KernelsUpdates, AdamAndSgdHaveTheBitsOfTheReference) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 15);
    Grid table = random_grid(20, width, 16);
    Grid state = moments(20, width);
    Grid want_table = table;
    Grid want_state = state;
    for (int repeat = 0; repeat < 3; ++repeat) {
      backend().updates.adam(kAdamStep, gradients.view(), kIndices, table.view(), state.view());
      backend().updates.sgd(0.3F, gradients.view(), kIndices, table.view());
      reference_backend().updates.adam(kAdamStep, gradients.view(), kIndices, want_table.view(), want_state.view());
      reference_backend().updates.sgd(0.3F, gradients.view(), kIndices, want_table.view());
    }
    EXPECT_TRUE(same_bits(table, want_table)) << width;
    EXPECT_TRUE(same_bits(state, want_state)) << width;
  }
}

// However small and mixed the gradients, rounding never makes a mean of squares negative, whose root would be NaN.
TEST_P(KernelsUpdates, AdamStaysFinite) {
  const AdamStep step{0.1F, 1, 1.0F - 0.9F, 1.0F - 0.999F, 1e-8F};
  Grid table(20, 33);
  Grid state(20, 66);
  for (std::uint32_t repeat = 0; repeat < 200; ++repeat) {
    Grid gradients = random_grid(kIndices.size(), 33, repeat);
    for (std::size_t i = 0; i < gradients.rows(); ++i)
      for (std::size_t c = 0; c < 33; ++c) gradients.at(i, c) *= repeat % 3 == 0 ? 1e-25F : 1e5F;
    backend().updates.adam(step, gradients.view(), kIndices, table.view(), state.view());
  }
  for (const std::uint32_t row : kIndices)
    for (std::size_t c = 0; c < 33; ++c) {
      ASSERT_TRUE(std::isfinite(table.at(row, c))) << row << ", " << c;
      ASSERT_GE(state.at(row, 33 + c), 0.0F) << row << ", " << c;
    }
}

TEST_P(KernelsUpdates, HaveTheBitsOfTheReference) {
  for (const std::size_t width : kWidths) {
    const Grid gradients = random_grid(kIndices.size(), width, 6);
    Grid table = random_grid(20, width, 7);
    Grid state = squares(20, width);
    std::vector<float> row_state(20, 0.01F);
    Grid want_table = table;
    Grid want_state = state;
    std::vector<float> want_row_state = row_state;
    for (int repeat = 0; repeat < 3; ++repeat) {
      backend().updates.adagrad(kStep, gradients.view(), kIndices, table.view(), state.view());
      backend().updates.rowwise_adagrad(kStep, gradients.view(), kIndices, table.view(), row_state);
      reference_backend().updates.adagrad(kStep, gradients.view(), kIndices, want_table.view(), want_state.view());
      reference_backend().updates.rowwise_adagrad(kStep, gradients.view(), kIndices, want_table.view(), want_row_state);
    }
    EXPECT_TRUE(same_bits(table, want_table)) << width;
    EXPECT_TRUE(same_bits(state, want_state)) << width;
    EXPECT_TRUE(same_bits(row_state, want_row_state)) << width;
  }
}

// A row that was never touched has state 0 and may get gradient 0: nothing moves, nothing becomes NaN.
TEST_P(KernelsUpdates, ZeroGradientChangesNothing) {
  const Grid gradients(kIndices.size(), 33);
  Grid table = random_grid(20, 33, 8);
  const Grid before = table;
  Grid state(20, 33);
  std::vector<float> row_state(20);
  backend().updates.adagrad(kStep, gradients.view(), kIndices, table.view(), state.view());
  backend().updates.rowwise_adagrad(kStep, gradients.view(), kIndices, table.view(), row_state);
  Grid both(20, 66);
  backend().updates.adam(kAdamStep, gradients.view(), kIndices, table.view(), both.view());
  backend().updates.sgd(0.3F, gradients.view(), kIndices, table.view());
  EXPECT_TRUE(same_bits(table, before));
  EXPECT_TRUE(same_bits(state, Grid(20, 33)));
  EXPECT_TRUE(same_bits(both, Grid(20, 66)));
}

TEST_P(KernelsUpdates, NothingToUpdateIsNoWork) {
  const Grid none(0, 8);
  Grid table = random_grid(4, 8, 9);
  const Grid before = table;
  Grid state(4, 8);
  Grid both(4, 16);
  backend().updates.adagrad(kStep, none.view(), {}, table.view(), state.view());
  backend().updates.adam(kAdamStep, none.view(), {}, table.view(), both.view());
  backend().updates.sgd(0.3F, none.view(), {}, table.view());
  EXPECT_TRUE(same_bits(table, before));
}

TEST_P(KernelsUpdates, WrongShapesAreRefused) {
  const Grid gradients(1, 8);
  Grid table(4, 8);
  Grid small(3, 8);
  std::vector<float> three(3);
  const std::vector<std::uint32_t> last{3};
  const std::vector<std::uint32_t> outside{4};
  EXPECT_ANY_THROW(backend().updates.adagrad(kStep, gradients.view(), outside, table.view(), table.view()));
  EXPECT_ANY_THROW(backend().updates.adagrad(kStep, gradients.view(), last, table.view(), small.view()));
  EXPECT_ANY_THROW(backend().updates.rowwise_adagrad(kStep, gradients.view(), last, table.view(), three));
  Grid both(4, 16);
  Grid few(3, 16);
  EXPECT_ANY_THROW(backend().updates.adam(kAdamStep, gradients.view(), outside, table.view(), both.view()));
  EXPECT_ANY_THROW(backend().updates.adam(kAdamStep, gradients.view(), last, table.view(), few.view()));
  EXPECT_ANY_THROW(backend().updates.adam(kAdamStep, gradients.view(), last, table.view(), table.view()));
  EXPECT_ANY_THROW(backend().updates.sgd(0.3F, gradients.view(), outside, table.view()));
  EXPECT_ANY_THROW(backend().updates.sgd(0.3F, few.view(), {}, table.view()));
}

}  // namespace
}  // namespace tessera::kernels::testing
