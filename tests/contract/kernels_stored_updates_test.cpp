// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Updates of tables in formats smaller than fp32, and of states in 8 bits: they round stochastically.
#include "kernels_stored_support.hpp"

namespace tessera::kernels::testing {
namespace {

const std::size_t kWidths[] = {1, 3, 4, 16, 17, 100, 200};
const std::vector<std::uint32_t> kIndices{19, 0, 7, 3, 12};
const std::vector<std::uint32_t> kHotRows{7, 19, 5};
constexpr std::size_t kRows = 20;
constexpr Rounding kRounding{0x0123456789ABCDEFU, 1000};

class KernelsStoredUpdates : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsStoredUpdates);

/// An update, whatever the optimiser; its state is as wide as it needs.
struct Update {
  const char* name;
  StateFormat state_format;
  std::size_t state_per_column;  // 0: one for a row
  void (*apply)(const Backend&, const Grid& gradients, const std::vector<std::uint32_t>&, StoredRows, StateTable&);
  [[nodiscard]] StateTable zero_state(std::size_t width, std::size_t rows = kRows) const {
    return {state_format, rows, state_per_column == 0 ? 1 : state_per_column * width,
            state_per_column == 0 ? std::size_t{0} : std::size_t{2}};
  }
};

void adagrad(const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, StateTable& s) {
  by.updates.adagrad({0.25F, 1e-8F}, g.view(), i, t, s.view());
}

const Update kUpdates[] = {
    {"adagrad", StateFormat::kFp32, 1, adagrad},
    {"adagrad with log8", StateFormat::kLog8, 1, adagrad},
    {"rowwise_adagrad", StateFormat::kFp32, 0,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, StateTable& s) {
       by.updates.rowwise_adagrad({0.25F, 1e-8F}, g.view(), i, t, {s.view().matrix().data, s.view().rows});
     }},
    {"adam", StateFormat::kFp32, 2,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, StateTable& s) {
       by.updates.adam({0.25F, 1.5F, 0.1F, 0.01F, 1e-8F}, g.view(), i, t, s.view().matrix());
     }},
    {"sgd", StateFormat::kFp32, 1,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, StateTable& /*s*/) {
       by.updates.sgd(0.25F, g.view(), i, t);
     }},
};

/// Calls test(update, format) for all of them.
template <class Test>
void each_update(const Test& test) {
  for (const Update& update : kUpdates)
    for (const RowFormat format : kSmallFormats) {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(update.name) + ", " + name_of(format));
      test(update, format);
    }
}

/// How far apart the numbers of a format are at a value of a row with that scale.
double unit_at(RowFormat format, double value, double scale) {
  if (format == RowFormat::kInt8) return scale;
  const double exponent = std::floor(std::log2(std::abs(value)));
  return format == RowFormat::kBf16 ? std::exp2(exponent - 7) : std::exp2(std::max(exponent, -14.0) - 10);
}

// The row is that of the update in fp32, rounded to one of its neighbours, a hot row in all bits; the state is that in
// fp32, or a neighbour; and other rows stay.
TEST_P(KernelsStoredUpdates, RoundWhatFp32Gives) {
  each_update([](const Update& update, RowFormat format) {
    for (const std::size_t width : kWidths) {
      const Grid gradients = random_grid(kIndices.size(), width, 7, 1);
      StoredTable table(format, random_grid(kRows, width, 8), 4, kHotRows);
      const StoredTable before = table;
      Grid exact = table.widened();
      StateTable state = update.zero_state(width);
      const StateTable state_before = state;
      StateTable exact_state = state;
      update.apply(backend(), gradients, kIndices, table.view(kRounding), state);
      update.apply(reference_backend(), gradients, kIndices, exact.view(), exact_state);
      if (update.state_format == StateFormat::kFp32) {
        EXPECT_TRUE(state == exact_state) << width;
      }
      for (std::size_t i = 0; i < kRows; ++i) {
        const bool is_updated = std::find(kIndices.begin(), kIndices.end(), i) != kIndices.end();
        float largest = 0;
        for (std::size_t c = 0; c < width; ++c) largest = std::max(largest, std::abs(exact.at(i, c)));
        if (is_updated && format == RowFormat::kInt8 && !table.is_hot_row(i)) {
          ASSERT_EQ(table.scale(i), largest / 127);
        }
        for (std::size_t c = 0; c < width; ++c) {
          if (!is_updated || table.is_hot_row(i)) {
            ASSERT_EQ(bits(table.value(i, c)), bits(is_updated ? exact.at(i, c) : before.value(i, c)));
            continue;
          }
          const double unit = unit_at(format, exact.at(i, c), largest / 127);
          ASSERT_LT(std::abs(double{table.value(i, c)} - exact.at(i, c)), unit * (1 + 1e-4)) << i << ", " << c;
        }
      }
      EXPECT_TRUE(table.gaps_intact());
    }
  });
}

// In bfloat16 a row is known bit by bit.
TEST_P(KernelsStoredUpdates, GoByTheBitsOfRowAndColumn) {
  for (const Update& update : kUpdates) {
    if (update.state_format != StateFormat::kFp32) continue;
    const Grid gradients = random_grid(kIndices.size(), 100, 7);
    StoredTable table(RowFormat::kBf16, random_grid(kRows, 100, 8));
    Grid exact = table.widened();
    StateTable state = update.zero_state(100);
    StateTable exact_state = state;
    update.apply(backend(), gradients, kIndices, table.view(kRounding), state);
    update.apply(reference_backend(), gradients, kIndices, exact.view(), exact_state);
    for (const std::uint32_t i : kIndices)
      for (std::size_t c = 0; c < 100; ++c) {
        const std::uint32_t number = bits(exact.at(i, c));
        const bool goes_up = kRounding.bits(i, c) + (number & 0xFFFFU) > 0xFFFFU;
        ASSERT_EQ(table.half(i, c), (number >> 16U) + (goes_up ? 1 : 0)) << update.name << ", " << i << ", " << c;
      }
  }
}

/// Gradients with zeros, and of magnitudes that fp16 does not have.
Grid wild_gradients(std::size_t rows, std::size_t cols, std::uint32_t seed) {
  Grid grid = random_grid(rows, cols, seed, 1);
  std::mt19937 engine(seed);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < cols; ++c)
      grid.at(i, c) *= engine() % 5 == 0 ? 0.0F : std::ldexp(1.0F, static_cast<int>(engine() % 120) - 90);
  return grid;
}

TEST_P(KernelsStoredUpdates, HaveTheBitsOfTheReference) {
  each_update([](const Update& update, RowFormat format) {
    for (const std::size_t width : kWidths) {
      StoredTable table(format, random_grid(kRows, width, 7), 4, kHotRows);
      StoredTable want = table;
      StateTable state = update.zero_state(width);
      StateTable want_state = state;
      for (std::uint32_t step = 0; step < 12; ++step) {
        const Grid gradients =
            step < 6 ? random_grid(kIndices.size(), width, step, 1) : wild_gradients(kIndices.size(), width, step);
        const Rounding rounding{kRounding.key + step, kRounding.first_row};
        update.apply(backend(), gradients, kIndices, table.view(rounding), state);
        update.apply(reference_backend(), gradients, kIndices, want.view(rounding), want_state);
        ASSERT_TRUE(state == want_state) << width << ", step " << step;
        ASSERT_TRUE(table == want) << width << ", step " << step;
      }
    }
  });
}

// A table in fp32 may have a state in 8 bits.
TEST_P(KernelsStoredUpdates, StatesAreSmallBesideAnyTable) {
  for (const std::size_t width : kWidths) {
    Grid table = random_grid(kRows, width, 1, 2);
    Grid want = table;
    StateTable state(StateFormat::kLog8, kRows, width, 3);
    StateTable want_state = state;
    for (std::uint32_t step = 0; step < 4; ++step) {
      const Grid gradients = random_grid(kIndices.size(), width, step);
      StoredRows rows = table.view();
      StoredRows want_rows = want.view();
      rows.rounding = want_rows.rounding = {kRounding.key + step, kRounding.first_row};
      adagrad(backend(), gradients, kIndices, rows, state);
      adagrad(reference_backend(), gradients, kIndices, want_rows, want_state);
    }
    EXPECT_TRUE(same_bits(table, want)) << width;
    EXPECT_TRUE(state == want_state) << width;
    EXPECT_TRUE(table.gaps_intact());
  }
}

// Rows wider than any buffer of a backend.
TEST_P(KernelsStoredUpdates, RowsAreOfAnyWidth) {
  const Grid gradients = random_grid(1, 5003, 1);
  StoredTable table(RowFormat::kInt8, random_grid(2, 5003, 2));
  StoredTable want = table;
  backend().updates.sgd(0.1F, gradients.view(), std::vector<std::uint32_t>{1}, table.view(kRounding));
  reference_backend().updates.sgd(0.1F, gradients.view(), std::vector<std::uint32_t>{1}, want.view(kRounding));
  EXPECT_TRUE(table == want);
}

// What is rounded depends on the number of the row among all rows: on no list, and not on where a table begins.
TEST_P(KernelsStoredUpdates, RoundingDoesNotDependOnTheCall) {
  constexpr std::size_t kWidth = 37;
  each_update([](const Update& update, RowFormat format) {
    const Grid gradients = random_grid(kIndices.size(), kWidth, 9);
    const StoredTable before(format, random_grid(kRows, kWidth, 10), 0, kHotRows);
    StoredTable at_once = before;
    StoredTable one_by_one = before;
    StoredTable shifted = before;
    StateTable state = update.zero_state(kWidth);
    StateTable state_one_by_one = state;
    update.apply(backend(), gradients, kIndices, at_once.view(kRounding), state);
    for (std::size_t k = kIndices.size(); k-- > 0;) {
      Grid gradient(1, kWidth);
      std::copy_n(gradients.view().row(k), kWidth, gradient.view().row(0));
      update.apply(backend(), gradient, {kIndices[k]}, one_by_one.view(kRounding), state_one_by_one);
      // The same row as row 0 of a table that begins there.
      StateTable fresh = update.zero_state(kWidth, kRows - kIndices[k]);
      update.apply(backend(), gradient, {0}, shifted.view(kRounding).block(kIndices[k], kRows - kIndices[k]), fresh);
    }
    EXPECT_TRUE(one_by_one == at_once);
    EXPECT_TRUE(state_one_by_one == state);
    EXPECT_TRUE(shifted == at_once);
    StoredTable another_step = before;
    StateTable another_state = update.zero_state(kWidth);
    update.apply(backend(), gradients, kIndices, another_step.view({kRounding.key + 1, kRounding.first_row}),
                 another_state);
    EXPECT_FALSE(another_step == at_once);
  });
}

// The mean of many roundings is the value that fp32 has, as near as so many draws give it; of states too.
TEST_P(KernelsStoredUpdates, AreUnbiased) {
  constexpr std::size_t kWidth = 24;
  constexpr std::uint64_t kSteps = 3000;
  const std::vector<std::uint32_t> row{3};
  const Grid gradients = random_grid(1, kWidth, 11);
  each_update([&](const Update& update, RowFormat format) {
    const StoredTable before(format, random_grid(kRows, kWidth, 12));
    Grid exact = before.widened();
    StateTable exact_state(StateFormat::kFp32, kRows, update.zero_state(kWidth).view().cols);
    update.apply(reference_backend(), gradients, row, exact.view(), exact_state);
    std::vector<double> sums(kWidth);
    std::vector<double> state_sums(kWidth);
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      StoredTable table = before;
      StateTable state = update.zero_state(kWidth);
      update.apply(backend(), gradients, row, table.view({step, 5}), state);
      for (std::size_t c = 0; c < kWidth; ++c) sums[c] += table.value(3, c);
      if (update.state_format == StateFormat::kLog8)
        for (std::size_t c = 0; c < kWidth; ++c) state_sums[c] += state.value(3, c);
    }
    float largest = 0;
    for (std::size_t c = 0; c < kWidth; ++c) largest = std::max(largest, std::abs(exact.at(3, c)));
    for (std::size_t c = 0; c < kWidth; ++c) {
      const double deviation = unit_at(format, exact.at(3, c), largest / 127) / 2 / std::sqrt(double{kSteps});
      EXPECT_NEAR(sums[c] / kSteps, exact.at(3, c), 5 * deviation) << "column " << c;
      if (update.state_format != StateFormat::kLog8) continue;
      const double squares = double{gradients.at(0, c)} * gradients.at(0, c);
      EXPECT_NEAR(state_sums[c] / kSteps, squares, 5 * 0.19 * squares / 2 / std::sqrt(double{kSteps})) << c;
    }
  });
}

TEST_P(KernelsStoredUpdates, ZeroGradientChangesNothing) {
  each_update([](const Update& update, RowFormat format) {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      const Grid gradients(kIndices.size(), 33);
      StoredTable table(format, random_grid(kRows, 33, seed), 0, kHotRows);
      const StoredTable before = table;
      StateTable state = update.zero_state(33);
      update.apply(backend(), gradients, kIndices, table.view(kRounding), state);
      ASSERT_TRUE(table == before);
      ASSERT_TRUE(state == update.zero_state(33));
    }
  });
}

// Infinity and NaN reach a check of the rows, and no row becomes hot by them.
TEST_P(KernelsStoredUpdates, WhatIsNotFiniteStaysSo) {
  each_update([](const Update& update, RowFormat format) {
    for (const float special : {kInfinity, -kInfinity, kNan}) {
      Grid gradients = random_grid(kIndices.size(), 20, 1);
      for (std::size_t i = 0; i < kIndices.size(); ++i) gradients.at(i, 4 * i) = special;
      StoredTable table(format, random_grid(kRows, 20, 2));
      StateTable state = update.zero_state(20);
      for (std::uint32_t step = 0; step < 3; ++step) {
        update.apply(backend(), gradients, kIndices, table.view(kRounding), state);
        gradients = random_grid(kIndices.size(), 20, 3);
        for (std::size_t i = 0; i < kIndices.size(); ++i) {
          if (format == RowFormat::kInt8) {
            ASSERT_FALSE(std::isfinite(table.scale(kIndices[i])));
            ASSERT_FALSE(is_hot(table.view(kRounding).row(kIndices[i])));
          } else {
            ASSERT_FALSE(std::isfinite(table.value(kIndices[i], 4 * i)));
          }
        }
      }
    }
  });
}

TEST_P(KernelsStoredUpdates, WrongShapesAreRefused) {
  const Grid gradients(1, 8);
  const std::vector<std::uint32_t> outside{4};
  const std::vector<std::uint32_t> last{3};
  for (const RowFormat format : kSmallFormats) {
    StoredTable table(format, Grid(4, 8));
    StateTable state(StateFormat::kLog8, 4, 8);
    StateTable small(StateFormat::kLog8, 3, 8);
    EXPECT_ANY_THROW(backend().updates.adagrad({}, gradients.view(), outside, table.view(kRounding), state.view()));
    EXPECT_ANY_THROW(backend().updates.adagrad({}, gradients.view(), last, table.view(kRounding), small.view()));
    EXPECT_ANY_THROW(backend().updates.sgd(0.1F, gradients.view(), outside, table.view(kRounding)));
  }
}

}  // namespace
}  // namespace tessera::kernels::testing
