// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/pool.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tessera {
namespace {

using memory::Buffer;
using memory::Pool;
using memory::Tag;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

std::uint64_t rounded(std::uint64_t bytes) { return std::max<std::uint64_t>(1, (bytes + 63) / 64) * 64; }

TEST(Pool, BlocksAreZeroedAlignedAndApart) {
  Pool pool(kMiB);
  for (int round = 0; round < 3; ++round) {  // from the second round on the memory has been used before
    std::vector<Buffer<std::uint8_t>> buffers;
    for (const std::uint64_t bytes : {1, 63, 64, 65, 1000, 4096})
      buffers.push_back(pool.allocate<std::uint8_t>(Tag::kRows, bytes));
    for (const auto& buffer : buffers) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
      EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(), [](auto b) { return b == 0; }));
      std::memset(buffer.data(), 0xFF, buffer.size());
    }
  }
}

TEST(Pool, CountsElementsNotBytes) {
  Pool pool(kMiB);
  const auto doubles = pool.allocate<double>(Tag::kState, 100);
  EXPECT_EQ(doubles.size(), 100U);
  EXPECT_EQ(pool.use(Tag::kState).bytes, 832U);
  const auto none = pool.allocate<double>(Tag::kHalo, 0);
  EXPECT_EQ(none.size(), 0U);
  EXPECT_TRUE(none.span().empty());
}

TEST(Pool, TooSmallOrTooLargeBudgets) {
  for (const std::uint64_t bytes : {0, 1, 63})
    test::expect_error(ExitStatus::kOverBudget, {"too small for anything", std::to_string(bytes)},
                       [&] { Pool pool(bytes); });
  test::expect_error(ExitStatus::kOverBudget, {"refuses", "lower run.memory"},
                     [] { Pool pool(std::uint64_t{1} << 62U); });
  Pool pool(127);
  EXPECT_EQ(pool.budget_bytes(), 64U);
}

TEST(Pool, OverBudgetSaysWhatIsNeededAndWhatIsInUse) {
  Pool pool(16 * kMiB);
  const auto rows = pool.allocate<float>(Tag::kRows, 2 * kMiB);      // 8 MiB
  const auto logits = pool.allocate<float>(Tag::kLogits, kMiB / 2);  // 2 MiB
  const auto more_logits = pool.allocate<float>(Tag::kLogits, kMiB / 4);
  test::expect_error(ExitStatus::kOverBudget,
                     {"budget of 16.0 MiB", "6.0 MiB more", "for gradients", "rows 8.0 MiB, logits 3.0 MiB",
                      "run.memory", "more ranks", "model.dim"},
                     [&] { (void)pool.allocate<std::uint8_t>(Tag::kGradients, 6 * kMiB); });
  EXPECT_EQ(pool.used_bytes(), 11 * kMiB) << "a refused allocation changes nothing";
  EXPECT_EQ(pool.peak_bytes(), 11 * kMiB);
  EXPECT_EQ(pool.use(Tag::kGradients).peak_bytes, 0U);
  EXPECT_EQ(pool.allocation_count(), 3U);
}

TEST(Pool, OverBudgetNamesTheTrueNeed) {
  Pool pool(kMiB);
  test::expect_error(ExitStatus::kOverBudget, {"100.0 GiB more", "in use: nothing"},
                     [&] { (void)pool.allocate<float>(Tag::kRows, std::uint64_t{25} << 30U); });
}

TEST(Pool, CountsThatOverflowAreRefused) {
  Pool pool(kMiB);
  for (const std::uint64_t count :
       {~std::uint64_t{0}, std::uint64_t{1} << 61U, (std::uint64_t{1} << 61U) + 1, kMiB / 8 + 1})
    test::expect_error(ExitStatus::kOverBudget, {"more is needed for rows"},
                       [&] { (void)pool.allocate<double>(Tag::kRows, count); });
  EXPECT_EQ(pool.allocate<double>(Tag::kRows, kMiB / 8).size(), kMiB / 8) << "the whole budget can be used";
}

TEST(Pool, PeaksStay) {
  Pool pool(kMiB);
  {
    const auto a = pool.allocate<std::uint8_t>(Tag::kBatch, 640);
    const auto b = pool.allocate<std::uint8_t>(Tag::kHalo, 6400);
  }
  const auto c = pool.allocate<std::uint8_t>(Tag::kBatch, 64);
  EXPECT_EQ(pool.used_bytes(), 64U);
  EXPECT_EQ(pool.peak_bytes(), 7040U);
  EXPECT_EQ(pool.use(Tag::kBatch).bytes, 64U);
  EXPECT_EQ(pool.use(Tag::kBatch).peak_bytes, 640U);
  EXPECT_EQ(pool.use(Tag::kHalo).bytes, 0U);
  EXPECT_EQ(pool.use(Tag::kHalo).peak_bytes, 6400U);
  EXPECT_EQ(pool.describe(), "batch 64 B");
}

TEST(Pool, NamesAreDistinct) {
  std::set<std::string> names;
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag) names.insert(memory::name(static_cast<Tag>(tag)));
  EXPECT_EQ(names.size(), memory::kTagCount);
}

TEST(Buffer, MovesGiveBackExactlyOnce) {
  Pool pool(kMiB);
  auto a = pool.allocate<int>(Tag::kRows, 16);
  int* const data = a.data();
  Buffer<int> b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(pool.used_bytes(), 64U);
  b = pool.allocate<int>(Tag::kState, 32);
  EXPECT_EQ(pool.use(Tag::kRows).bytes, 0U);
  EXPECT_EQ(pool.used_bytes(), 128U);
  b = Buffer<int>();
  EXPECT_EQ(pool.used_bytes(), 0U);
  EXPECT_EQ(b.size(), 0U);
}

// What the pool should be: live blocks by address; a new one goes to the smallest gap that holds it.
class Model {
 public:
  explicit Model(std::uint64_t budget) : budget_(budget) {}
  [[nodiscard]] std::optional<std::uint64_t> smallest_gap(std::uint64_t bytes) const {
    std::optional<std::uint64_t> best;
    std::uint64_t end = 0;
    const auto consider = [&](std::uint64_t gap) {
      if (gap >= bytes && (!best || gap < *best)) best = gap;
    };
    for (const auto& [offset, size] : blocks_) {
      consider(offset - end);
      end = offset + size;
    }
    consider(budget_ - end);
    return best;
  }
  [[nodiscard]] std::uint64_t gap_at(std::uint64_t offset) const {
    const auto next = blocks_.lower_bound({offset, 0});
    const std::uint64_t end = next == blocks_.end() ? budget_ : next->first;
    return end - (next == blocks_.begin() ? 0 : std::prev(next)->first + std::prev(next)->second);
  }
  bool add(std::uint64_t offset, std::uint64_t bytes) {
    const auto next = blocks_.lower_bound({offset, 0});
    const bool apart = (next == blocks_.end() || offset + bytes <= next->first) &&
                       (next == blocks_.begin() || std::prev(next)->first + std::prev(next)->second <= offset) &&
                       offset + bytes <= budget_;
    blocks_.insert({offset, bytes});
    used_ += bytes;
    return apart;
  }
  void remove(std::uint64_t offset, std::uint64_t bytes) {
    used_ -= bytes;
    blocks_.erase({offset, bytes});
  }
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t budget_;
  std::uint64_t used_ = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>> blocks_;
};

class Driver {
 public:
  explicit Driver(std::uint64_t seed)
      : stream_(seed, Purpose::kSplit),
        pool_(kBudget),
        base_(pool_.allocate<std::uint8_t>(Tag::kRows, kBudget).data()) {}

  void step() {
    if (!live_.empty() && below(100) < 48)
      release(below(live_.size()));
    else
      allocate();
    ASSERT_EQ(pool_.used_bytes(), model_.used());
  }
  void release_all() {
    while (!live_.empty()) release(below(live_.size()));
    EXPECT_EQ(pool_.used_bytes(), 0U);
    EXPECT_EQ(pool_.describe(), "nothing");
    EXPECT_EQ(pool_.allocate<std::uint8_t>(Tag::kRows, kBudget).data(), base_) << "free blocks were not merged";
  }
  [[nodiscard]] int refused() const { return refused_; }

 private:
  struct Live {
    Buffer<std::uint8_t> buffer;
    std::uint8_t mark;
  };
  static constexpr std::uint64_t kBudget = 64 * 1024;
  std::uint64_t below(std::uint64_t bound) { return stream_.below(next_++, bound); }
  [[nodiscard]] std::uint64_t offset(const Buffer<std::uint8_t>& buffer) const {
    return static_cast<std::uint64_t>(buffer.data() - base_);
  }

  void allocate() {
    const std::uint64_t bytes = below(3) == 0 ? below(20000) : below(1500);
    const auto tag = static_cast<Tag>(below(memory::kTagCount));
    const auto gap = model_.smallest_gap(rounded(bytes));
    try {
      Buffer<std::uint8_t> buffer = pool_.allocate<std::uint8_t>(tag, bytes);
      ASSERT_TRUE(gap.has_value());
      ASSERT_EQ(model_.gap_at(offset(buffer)), *gap) << "not the best fit";
      ASSERT_TRUE(model_.add(offset(buffer), rounded(bytes))) << "blocks overlap";
      for (const std::uint8_t byte : buffer.span()) ASSERT_EQ(byte, 0);
      live_.push_back({std::move(buffer), static_cast<std::uint8_t>(1 + below(255))});
      std::memset(live_.back().buffer.data(), live_.back().mark, live_.back().buffer.size());
    } catch (const Error& error) {
      ASSERT_FALSE(gap.has_value()) << error.what();
      ++refused_;
    }
  }
  void release(std::size_t which) {
    std::swap(live_[which], live_.back());
    for (const std::uint8_t byte : live_.back().buffer.span())
      ASSERT_EQ(byte, live_.back().mark) << "another block wrote here";
    model_.remove(offset(live_.back().buffer), rounded(live_.back().buffer.size()));
    live_.pop_back();
  }

  RandomStream stream_;
  std::uint64_t next_ = 0;
  Pool pool_;
  std::uint8_t* base_;
  Model model_{kBudget};
  std::vector<Live> live_;
  int refused_ = 0;
};

TEST(Pool, BehavesAsItsModel) {
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Driver driver(seed);
    for (int i = 0; i < 2000 && !testing::Test::HasFatalFailure(); ++i) driver.step();
    if (testing::Test::HasFatalFailure()) return;
    driver.release_all();
    refused += driver.refused();
  }
  EXPECT_GT(refused, 100) << "the test never filled the pool";
}

// What a pool of any space says when something does not fit: the same words, with the name of its budget.
TEST(Allocator, NamesItsBudget) {
  memory::detail::Allocator allocator(kMiB, "device memory", "Use more devices.", 256);
  const auto rows = allocator.allocate(Tag::kRows, kMiB / 8, sizeof(float));
  EXPECT_EQ(rows.bytes, kMiB / 2);
  test::expect_error(
      ExitStatus::kOverBudget,
      {"device memory budget of 1.0 MiB", "768.0 KiB more", "for state", "rows 512.0 KiB", "Use more devices."},
      [&] { (void)allocator.allocate(Tag::kState, 3 * kMiB / 4, 1); });
  allocator.release(rows.offset);
  EXPECT_EQ(allocator.used_bytes(), 0U);
  EXPECT_EQ(allocator.peak_bytes(), kMiB / 2);
}

TEST(Allocator, BlocksAreWholeUnits) {
  memory::detail::Allocator allocator(kMiB + 255, "device memory", "", 256);
  EXPECT_EQ(allocator.budget_bytes(), kMiB);
  EXPECT_EQ(allocator.allocate(Tag::kRows, 1, 1).bytes, 256U);
  const auto state = allocator.allocate(Tag::kState, 1000, sizeof(float));
  EXPECT_EQ(state.offset, 256U);
  EXPECT_EQ(state.bytes, 4096U);
  EXPECT_EQ(allocator.describe(), "state 4.0 KiB, rows 256 B");
}

TEST(DeviceBudget, IsRefusedAboveWhatIsFree) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  memory::check_device_budget(15 * kGiB, 16 * kGiB, 80 * kGiB);
  test::expect_error(ExitStatus::kOverBudget, {"15.5 GiB", "15.0 GiB that can be had", "16.0 GiB of 80.0 GiB are free"},
                     [&] { memory::check_device_budget(15 * kGiB + kGiB / 2, 16 * kGiB, 80 * kGiB); });
}

TEST(Arena, PagesAreThereAfterTheyWereTouched) {
  const std::uint64_t bytes = 40 * kMiB + 12345;
  const memory::Mapping mapping(bytes);
  memory::touch_pages(mapping.span(), 4);
  std::vector<unsigned char> resident((bytes + 4095) / 4096);
  ASSERT_EQ(mincore(mapping.span().data(), bytes, resident.data()), 0);
  EXPECT_TRUE(std::all_of(resident.begin(), resident.end(), [](unsigned char page) { return (page & 1U) != 0; }));
}

TEST(Pool, SaysWhereItsMemoryIs) {
  const Pool pool(kMiB);
  EXPECT_EQ(pool.space(), device::Space::kHost);
  static_assert(!std::is_convertible_v<memory::DeviceBuffer<float>, Buffer<float>>);
}

}  // namespace
}  // namespace tessera
