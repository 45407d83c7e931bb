// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Tables in bfloat16: what is read of them, and updates that round stochastically.
#include "kernels/bfloat16.hpp"
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

const std::size_t kWidths[] = {1, 3, 16, 17, 100, 200};
const std::vector<std::uint32_t> kIndices{19, 0, 7, 3, 12};
constexpr std::size_t kRows = 20;
constexpr Rounding kRounding{0x0123456789ABCDEFU, 1000};

/// Rows in bfloat16; between them lies NaN, and the memory ends with the last element.
class Halves {
 public:
  static constexpr std::uint16_t kGap = 0x7FC1;
  explicit Halves(const Grid& from, std::size_t gap = 0)
      : rows_(from.rows()), cols_(from.cols()), stride_(cols_ + gap), values_((rows_ - 1) * stride_ + cols_, kGap) {
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < cols_; ++j) values_[i * stride_ + j] = to_bfloat16(from.at(i, j));
  }
  [[nodiscard]] StoredRows view(Rounding rounding = kRounding) {
    StoredRows rows(RowFormat::kBf16, reinterpret_cast<std::byte*>(values_.data()), rows_, cols_, 2 * stride_);
    rows.rounding = rounding;
    return rows;
  }
  [[nodiscard]] ConstStoredRows view() const {
    return {RowFormat::kBf16, reinterpret_cast<const std::byte*>(values_.data()), rows_, cols_, 2 * stride_};
  }
  [[nodiscard]] std::uint16_t at(std::size_t i, std::size_t j) const { return values_[i * stride_ + j]; }
  [[nodiscard]] Grid widened() const {
    Grid grid(rows_, cols_);
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < cols_; ++j) grid.at(i, j) = std::bit_cast<float>(std::uint32_t{at(i, j)} << 16U);
    return grid;
  }
  [[nodiscard]] bool gaps_intact() const {
    for (std::size_t i = 0; i + 1 < rows_; ++i)
      for (std::size_t j = cols_; j < stride_; ++j)
        if (at(i, j) != kGap) return false;
    return true;
  }
  bool operator==(const Halves&) const = default;

 private:
  std::size_t rows_, cols_, stride_;
  std::vector<std::uint16_t> values_;
};

/// The bfloat16 next to a finite float that are not nearer to zero, and not farther: by cutting off and by counting on.
struct Neighbours {
  explicit Neighbours(float value)
      : below(static_cast<std::uint16_t>(bits(value) >> 16U)),
        above(static_cast<std::uint16_t>(below + ((bits(value) & 0xFFFFU) != 0 ? 1 : 0))) {}
  std::uint16_t below;
  std::uint16_t above;
};

class KernelsStored : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsStored);

TEST_P(KernelsStored, GatherWidensExactly) {
  for (const std::size_t width : kWidths) {
    const Halves table(random_grid(kRows, width, 1), 3);
    Grid out(kIndices.size(), width, 2);
    backend().rows.gather(table.view(), kIndices, out.view());
    const Grid widened = table.widened();
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c) ASSERT_EQ(bits(out.at(i, c)), bits(widened.at(kIndices[i], c)));
    EXPECT_TRUE(out.gaps_intact());
  }
}

// Scores, weighted sums and penalties have the bits of the same table in fp32.
TEST_P(KernelsStored, ReadsHaveTheBitsOfWidenedRows) {
  const std::vector<std::uint32_t> query_of{0, 2, 1, 2, 0};
  const std::vector<std::uint32_t> places{4, 0, 1, 3, 2};
  const std::vector<std::uint32_t> offsets{0, 2, 5};
  const std::vector<std::uint32_t> positions{1, 0, 4, 2, 3};
  const std::vector<std::uint32_t> to{2, 0};
  const std::vector<std::uint32_t> each{0, 1, 2, 3, 4};
  const std::vector<float> weights = random_vector(5, 2);
  for (const std::size_t width : {2, 16, 100, 202}) {
    const Halves table(random_grid(kRows, width, 3), 5);
    const Grid widened = table.widened();
    const Grid queries = random_grid(3, width, 4);
    std::vector<float> scores(5), want_scores(5);
    backend().targets.score(queries.view(), table.view(), {query_of, kIndices}, places, scores);
    backend().targets.score(queries.view(), widened.view(), {query_of, kIndices}, places, want_scores);
    EXPECT_TRUE(same_bits(scores, want_scores)) << width;
    Grid sums = random_grid(3, width, 5);
    Grid want_sums = sums;
    backend().targets.add_weighted({weights, places, table.view(), kIndices, {}}, {offsets, positions}, sums.view(),
                                   to);
    backend().targets.add_weighted({weights, places, widened.view(), kIndices, {}}, {offsets, positions},
                                   want_sums.view(), to);
    EXPECT_TRUE(same_bits(sums, want_sums)) << width;
    for (const bool is_complex : {false, true}) {
      Grid gradients = random_grid(5, width, 6);
      Grid want = gradients;
      backend().penalties.add({3, is_complex}, 0.5F, {table.view(), kIndices, weights}, gradients.view(), each);
      backend().penalties.add({3, is_complex}, 0.5F, {widened.view(), kIndices, weights}, want.view(), each);
      EXPECT_TRUE(same_bits(gradients, want)) << width;
    }
  }
}

/// An update, whatever the optimiser; its state is as wide as it needs.
struct Update {
  const char* name;
  std::size_t state_per_column;  // 0: one for a row
  void (*apply)(const Backend&, const Grid& gradients, const std::vector<std::uint32_t>&, StoredRows, Grid& state);
};

const Update kUpdates[] = {
    {"adagrad", 1,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, Grid& s) {
       by.updates.adagrad({0.25F, 1e-8F}, g.view(), i, t, s.view());
     }},
    {"rowwise_adagrad", 0,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, Grid& s) {
       by.updates.rowwise_adagrad({0.25F, 1e-8F}, g.view(), i, t, {s.view().data, s.rows()});
     }},
    {"adam", 2,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, Grid& s) {
       by.updates.adam({0.25F, 1.5F, 0.1F, 0.01F, 1e-8F}, g.view(), i, t, s.view());
     }},
    {"sgd", 1,
     [](const Backend& by, const Grid& g, const std::vector<std::uint32_t>& i, StoredRows t, Grid& /*s*/) {
       by.updates.sgd(0.25F, g.view(), i, t);
     }},
};

Grid zero_state(const Update& update, std::size_t width) {
  return {kRows, update.state_per_column == 0 ? 1 : update.state_per_column * width};
}

// The row is that of the update in fp32, rounded to one of its neighbours by the bits of its row and column; the state
// is that in fp32, and other rows stay.
TEST_P(KernelsStored, UpdatesRoundWhatFp32Gives) {
  for (const Update& update : kUpdates)
    for (const std::size_t width : kWidths) {
      const Grid gradients = random_grid(kIndices.size(), width, 7, 1);
      Halves table(random_grid(kRows, width, 8), 3);
      const Halves before = table;
      Grid exact = table.widened();
      Grid state = zero_state(update, width);
      Grid exact_state = state;
      update.apply(backend(), gradients, kIndices, table.view(kRounding), state);
      update.apply(reference_backend(), gradients, kIndices, exact.view(), exact_state);
      EXPECT_TRUE(same_bits(state, exact_state)) << update.name << ", " << width;
      for (std::size_t i = 0; i < kRows; ++i)
        for (std::size_t c = 0; c < width; ++c) {
          const bool is_updated = std::find(kIndices.begin(), kIndices.end(), i) != kIndices.end();
          if (!is_updated) {
            ASSERT_EQ(table.at(i, c), before.at(i, c));
            continue;
          }
          const Neighbours around(exact.at(i, c));
          const bool goes_up = kRounding.bits(i, c) + (bits(exact.at(i, c)) & 0xFFFFU) > 0xFFFFU;
          ASSERT_EQ(table.at(i, c), goes_up ? around.above : around.below) << update.name << ", " << i << ", " << c;
        }
      EXPECT_TRUE(table.gaps_intact());
    }
}

// What is rounded depends on the number of the row among all rows: on no list, and not on where a table begins.
TEST_P(KernelsStored, RoundingDoesNotDependOnTheCall) {
  constexpr std::size_t kWidth = 37;
  for (const Update& update : kUpdates) {
    const Grid gradients = random_grid(kIndices.size(), kWidth, 9);
    const Halves before(random_grid(kRows, kWidth, 10));
    Halves at_once = before;
    Halves one_by_one = before;
    Halves shifted = before;
    Grid state = zero_state(update, kWidth);
    update.apply(backend(), gradients, kIndices, at_once.view(kRounding), state);
    for (std::size_t k = kIndices.size(); k-- > 0;) {
      Grid gradient(1, kWidth);
      std::copy_n(gradients.view().row(k), kWidth, gradient.view().row(0));
      Grid fresh = zero_state(update, kWidth);
      update.apply(backend(), gradient, {kIndices[k]}, one_by_one.view(kRounding), fresh);
      // The same row as row 0 of a table that begins there.
      const StoredRows tail = shifted.view(kRounding).block(kIndices[k], 1);
      Grid of_one(1, fresh.cols());
      update.apply(backend(), gradient, {0}, tail, of_one);
    }
    EXPECT_TRUE(one_by_one == at_once) << update.name;
    EXPECT_TRUE(shifted == at_once) << update.name;
    Halves another_step = before;
    Grid another_state = zero_state(update, kWidth);
    update.apply(backend(), gradients, kIndices, another_step.view({kRounding.key + 1, kRounding.first_row}),
                 another_state);
    EXPECT_FALSE(another_step == at_once) << update.name;
  }
}

// The mean of many roundings is the value that fp32 has, as near as so many draws give it.
TEST_P(KernelsStored, UpdatesAreUnbiased) {
  constexpr std::size_t kWidth = 24;
  constexpr std::uint64_t kSteps = 4000;
  const std::vector<std::uint32_t> row{3};
  const Grid gradients = random_grid(1, kWidth, 11);
  const Halves before(random_grid(kRows, kWidth, 12));
  for (const Update& update : kUpdates) {
    Grid exact = before.widened();
    Grid exact_state = zero_state(update, kWidth);
    update.apply(reference_backend(), gradients, row, exact.view(), exact_state);
    std::vector<double> sums(kWidth);
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      Halves table = before;
      Grid state = zero_state(update, kWidth);
      update.apply(backend(), gradients, row, table.view({step, 5}), state);
      const Grid rounded = table.widened();
      for (std::size_t c = 0; c < kWidth; ++c) sums[c] += rounded.at(3, c);
    }
    for (std::size_t c = 0; c < kWidth; ++c) {
      const double value = exact.at(3, c);
      const double unit = std::exp2(std::floor(std::log2(std::abs(value))) - 7);  // the distance of neighbours
      const double deviation = unit / 2 / std::sqrt(double{kSteps});              // at most
      EXPECT_NEAR(sums[c] / kSteps, value, 5 * deviation) << update.name << ", column " << c;
    }
  }
}

TEST_P(KernelsStored, ZeroGradientChangesNothing) {
  for (const Update& update : kUpdates) {
    const Grid gradients(kIndices.size(), 33);
    Halves table(random_grid(kRows, 33, 13));
    const Halves before = table;
    Grid state = zero_state(update, 33);
    update.apply(backend(), gradients, kIndices, table.view(), state);
    EXPECT_TRUE(table == before) << update.name;
  }
}

TEST_P(KernelsStored, WrongShapesAreRefused) {
  const Grid gradients(1, 8);
  Grid out(1, 9);
  Halves table(Grid(4, 8));
  Grid state(4, 8);
  const std::vector<std::uint32_t> outside{4};
  EXPECT_ANY_THROW(backend().updates.adagrad({}, gradients.view(), outside, table.view(kRounding), state.view()));
  EXPECT_ANY_THROW(backend().updates.sgd(0.1F, gradients.view(), outside, table.view(kRounding)));
  EXPECT_ANY_THROW(backend().rows.gather(std::as_const(table).view(), std::vector<std::uint32_t>{0}, out.view()));
}

}  // namespace
}  // namespace tessera::kernels::testing
