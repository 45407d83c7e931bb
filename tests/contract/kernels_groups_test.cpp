// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Rows in groups, for serving: on the host, with codes of 8 and of 4 bits.
#include "kernels_stored_support.hpp"

#include "kernels/cpu/targets.hpp"

namespace tessera::kernels::testing {
namespace {

constexpr RowFormat kFormats[] = {RowFormat::kInt8Groups, RowFormat::kInt4Groups};
constexpr std::size_t kRows = 20;
constexpr std::size_t kGap = 6;
constexpr std::byte kGapByte{0xA5};

/// Rows in groups with bytes between them, read by the definition of the format.
struct GroupTable {
  GroupTable(RowFormat row_format, const Grid& from, const Backend& backend = reference_backend())
      : format(row_format),
        cols(from.cols()),
        stride(row_bytes(row_format, cols) + kGap),
        bytes(from.rows() * stride, kGapByte) {
    backend.rows.encode(from.view(), view());
  }
  [[nodiscard]] StoredRows view() { return {format, bytes.data(), bytes.size() / stride, cols, stride}; }
  [[nodiscard]] float scale(std::size_t i, std::size_t c) const {
    return std::bit_cast<float>(std::uint32_t{read_as<std::uint16_t>(bytes.data() + i * stride + c / 32 * 2)} << 16U);
  }
  [[nodiscard]] int code(std::size_t i, std::size_t c) const {
    const std::byte* codes = bytes.data() + i * stride + (cols + 31) / 32 * 2;
    if (format == RowFormat::kInt8Groups) return read_as<std::int8_t>(codes + c);
    const std::size_t first = c / 32 * 32;
    const std::size_t half = (std::min<std::size_t>(32, cols - first) + 1) / 2;
    const std::size_t in_group = c - first;
    const auto pair = static_cast<unsigned>(codes[first / 2 + in_group % half]);
    return static_cast<int>(in_group < half ? pair & 15U : pair >> 4U) - 8;
  }
  [[nodiscard]] float value(std::size_t i, std::size_t c) const { return static_cast<float>(code(i, c)) * scale(i, c); }
  [[nodiscard]] bool gaps_intact() const {
    for (std::size_t at = 0; at < bytes.size(); ++at)
      if (at % stride >= stride - kGap && bytes[at] != kGapByte) return false;
    return true;
  }
  RowFormat format;
  std::size_t cols, stride;
  std::vector<std::byte> bytes;
};

template <class Test>
void each_shape(const Test& test) {
  for (const RowFormat format : kFormats)
    for (const std::size_t width : {1U, 2U, 3U, 31U, 32U, 33U, 64U, 95U, 100U, 128U, 200U}) {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__,
                                         std::to_string(grouped_bits(format)) + ", " + std::to_string(width));
      test(format, width);
    }
}

TEST(KernelsGroups, HaveTheBytesOfTheDocument) {
  EXPECT_EQ(row_bytes(RowFormat::kInt8Groups, 128), 136U);
  EXPECT_EQ(row_bytes(RowFormat::kInt4Groups, 128), 72U);
  EXPECT_EQ(row_bytes(RowFormat::kInt8Groups, 33), 38U);  // 4 + 33, and a zero
  EXPECT_EQ(row_bytes(RowFormat::kInt4Groups, 100), 58U);
  EXPECT_EQ(row_bytes(RowFormat::kInt4Groups, 1), 4U);
}

TEST(KernelsGroups, EveryTargetReadsThem) {
  const std::vector<std::uint32_t> indices{19, 0, 7, 3, 12};
  each_shape([&](RowFormat format, std::size_t width) {
    GroupTable table(format, random_grid(kRows, width, 1));
    EXPECT_TRUE(table.gaps_intact());
    const auto check = [&](const Backend& backend) {
      Grid all(kRows, width, 2), some(indices.size(), width, 2);
      backend.rows.decode(table.view(), all.view());
      backend.rows.gather(table.view(), indices, some.view());
      for (std::size_t c = 0; c < width; ++c) {
        for (std::size_t i = 0; i < kRows; ++i) ASSERT_EQ(bits(all.at(i, c)), bits(table.value(i, c)));
        for (std::size_t i = 0; i < indices.size(); ++i) ASSERT_EQ(bits(some.at(i, c)), bits(all.at(indices[i], c)));
      }
      EXPECT_TRUE(all.gaps_intact() && some.gaps_intact());
      GroupTable taken(format, Grid(indices.size(), width));
      backend.rows.take(table.view(), indices, taken.view());
      for (std::size_t i = 0; i < indices.size(); ++i)
        EXPECT_EQ(std::memcmp(taken.view().row(i), table.view().row(indices[i]), row_bytes(format, width)), 0);
    };
    check(reference_backend());
    for (const std::int64_t target : cpu::available_targets()) {
      cpu::use_target(target);
      check(cpu_backend());
    }
    cpu::use_target(0);
  });
}

TEST(KernelsGroups, AllCodesAreRead) {
  GroupTable table(RowFormat::kInt4Groups, Grid(16, 32));
  for (std::size_t i = 0; i < 16; ++i) {
    const std::uint16_t minus_two = 0xC000;
    std::memcpy(table.view().row(i), &minus_two, sizeof minus_two);
    for (std::size_t c = 0; c < 16; ++c) table.view().row(i)[2 + c] = static_cast<std::byte>(16 * i + c);
  }
  Grid out(16, 32);
  cpu_backend().rows.decode(table.view(), out.view());
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t c = 0; c < 16; ++c) {
      ASSERT_EQ(out.at(i, c), -2.0F * (static_cast<float>(c) - 8));
      ASSERT_EQ(out.at(i, 16 + c), -2.0F * (static_cast<float>(i) - 8));
    }
}

double squared_error(const GroupTable& table, const Grid& from) {
  double sum = 0;
  for (std::size_t i = 0; i < from.rows(); ++i)
    for (std::size_t c = 0; c < from.cols(); ++c) {
      const double off = table.value(i, c) - double{from.at(i, c)};
      sum += off * off;
    }
  return sum;
}

// Of 8 bits, an element is off by half a step. Of 4 bits, the sum of squares is at least a tenth below that of the
// scale that just reaches the largest magnitude, in both directions.
TEST(KernelsGroups, EncodeIsNear) {
  each_shape([](RowFormat format, std::size_t width) {
    const Grid from = random_grid(kRows, width, 9);
    const GroupTable table(format, from);
    EXPECT_EQ(table.bytes, GroupTable(format, from, cpu_backend()).bytes);
    double simple = 0;
    for (std::size_t i = 0; i < kRows; ++i)
      for (std::size_t c = 0; c < width; ++c) {
        float largest = 0;
        for (std::size_t k = c / 32 * 32; k < std::min(width, c / 32 * 32 + 32); ++k)
          largest = std::max(largest, std::abs(from.at(i, k)));
        const float step = largest / (format == RowFormat::kInt8Groups ? 127 : 7);
        const double off = std::abs(double{table.value(i, c)} - from.at(i, c));
        if (format == RowFormat::kInt8Groups) {
          ASSERT_LE(off, step / 2 * 1.02);
        }
        const double simply_off = from.at(i, c) - step * std::nearbyint(from.at(i, c) / step);
        simple += simply_off * simply_off;
      }
    if (format == RowFormat::kInt4Groups && width >= 31) {
      EXPECT_LT(squared_error(table, from), 0.9 * simple);
    }
  });
}

TEST(KernelsGroups, SpecialNumbersAreKeptOrMarked) {
  for (const RowFormat format : kFormats) {
    Grid from(6, 40, 0, 1.0F);
    from.at(0, 3) = kInfinity;
    from.at(1, 39) = -kInfinity;
    from.at(2, 39) = kNan;
    for (std::size_t c = 0; c < 40; ++c) from.at(3, c) = 0;
    for (std::size_t c = 0; c < 40; ++c) from.at(4, c) = std::numeric_limits<float>::denorm_min();
    for (std::size_t c = 0; c < 40; ++c) from.at(5, c) = std::numeric_limits<float>::max();
    const GroupTable table(format, from);
    EXPECT_TRUE(std::isinf(table.scale(0, 0)) && std::isfinite(table.scale(0, 32)));
    EXPECT_TRUE(std::isinf(table.scale(1, 32)) && std::isfinite(table.scale(1, 0)));
    EXPECT_TRUE(std::isnan(table.scale(2, 32)));
    for (std::size_t c = 0; c < 40; ++c) {
      EXPECT_EQ(table.value(3, c), 0.0F);
      EXPECT_EQ(table.value(4, c), 0.0F);
      EXPECT_NEAR(table.value(0, 32 + c % 8), 1.0F, 1e-2F);
    }
    EXPECT_TRUE(std::isfinite(table.scale(5, 0)));
  }
}

}  // namespace
}  // namespace tessera::kernels::testing
