// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Entity rows and states in files, in every format; files that are not sound.
#include "checkpoint/row_table.hpp"

#include "core/error.hpp"
#include "model/row_formats.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace tessera::checkpoint {
namespace {

using kernels::RowFormat;
using kernels::StateFormat;

constexpr std::size_t kRows = 50;
constexpr std::size_t kDim = 7;
constexpr std::size_t kHot = 5;

/// Rows of a format; of int8, every tenth is hot.
class Table {
 public:
  explicit Table(RowFormat format)
      : bytes_(kRows * kernels::row_bytes(format, kDim)),
        hot_(kHot * kDim),
        rows_(format, bytes_.data(), kRows, kDim, kernels::row_bytes(format, kDim)) {
    if (format == RowFormat::kInt8) rows_.hot = {hot_.data(), kHot, kDim, kDim};
  }
  void fill() {
    const std::vector<float> values = this->values();
    model::encode({values.data(), kRows, kDim, kDim}, rows_);
    if (rows_.format != RowFormat::kInt8) return;
    for (std::uint32_t slot = 0; slot < kHot; ++slot) {
      kernels::mark_hot(rows_.row(10 * slot), slot, kDim);
      std::copy_n(values.data() + 10 * slot * kDim, kDim, rows_.hot.row(slot));
    }
  }
  static std::vector<float> values() {
    std::vector<float> values(kRows * kDim);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = 0.01F * static_cast<float>(k % 97) - 0.3F;
    return values;
  }
  [[nodiscard]] const kernels::StoredRows& rows() const { return rows_; }
  [[nodiscard]] std::vector<float> decoded() const {
    std::vector<float> values(kRows * kDim);
    model::decode(rows_, {values.data(), kRows, kDim, kDim});
    return values;
  }
  bool operator==(const Table& other) const { return bytes_ == other.bytes_ && hot_ == other.hot_; }

 private:
  std::vector<std::byte> bytes_;
  std::vector<float> hot_;
  kernels::StoredRows rows_;
};

class RowTableFile : public testing::Test {
 protected:
  storage::FileReader written(const Table& table) {
    storage::FileWriter file(path_, "checkpoint part", 2);
    write_rows(file, "/rows", table.rows());
    file.close();
    return storage::FileReader::open_unverified(path_);
  }
  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "part.h5";
};

class RowTable : public RowTableFile, public testing::WithParamInterface<RowFormat> {};

TEST_P(RowTable, IsReadAsItWasWritten) {
  Table table(GetParam());
  table.fill();
  const storage::FileReader file = written(table);
  Table read(GetParam());
  read_rows(file, "/rows", read.rows());
  EXPECT_EQ(read, table);
}

TEST_P(RowTable, IsReadInPiecesAsFp32) {
  Table table(GetParam());
  table.fill();
  const storage::FileReader file = written(table);
  RowTableReader reader(file, "/rows", kRows, kDim);
  std::vector<float> values(kRows * kDim);
  for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{0, 13}, {13, 20}, {33, 17}})
    reader.read_next({values.data() + first * kDim, count, kDim, kDim});
  EXPECT_EQ(values, table.decoded());
}

INSTANTIATE_TEST_SUITE_P(Formats, RowTable,
                         testing::Values(RowFormat::kFp32, RowFormat::kBf16, RowFormat::kFp16, RowFormat::kInt8,
                                         RowFormat::kInt8Groups, RowFormat::kInt4Groups),
                         [](const auto& tested) { return std::string(model::name(tested.param)); });

// Files of version 1 do not say what they hold.
TEST_F(RowTableFile, OfVersion1IsInFp32) {
  const std::vector<float> values = Table::values();
  storage::FileWriter file(path_, "checkpoint part", 1);
  file.write<float>("/rows", values, {"entity rows"}, {kRows, kDim});
  file.write<float>("/state", values, {"states"}, {kRows, kDim});
  file.close();
  const auto read = storage::FileReader::open_unverified(path_);
  Table rows(RowFormat::kFp32);
  read_rows(read, "/rows", rows.rows());
  EXPECT_EQ(rows.decoded(), values);
  Table rounded(RowFormat::kBf16);
  read_rows(read, "/rows", rounded.rows());
  Table expected(RowFormat::kBf16);
  expected.fill();
  EXPECT_EQ(rounded, expected);
  std::vector<float> state(kRows * kDim);
  read_state(read, "/state", kernels::Matrix{state.data(), kRows, kDim, kDim});
  EXPECT_EQ(state, values);
}

TEST_F(RowTableFile, OfAnotherFormatIsRefused) {
  Table table(RowFormat::kInt8);
  table.fill();
  const storage::FileReader file = written(table);
  const Table other(RowFormat::kFp16);
  test::expect_error(ExitStatus::kUsage, {path_.string(), "int8", "run.rows = fp16"},
                     [&] { read_rows(file, "/rows", other.rows()); });
}

TEST_F(RowTableFile, WithAScaleThatIsNotFiniteIsRefused) {
  for (const float scale : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Table table(RowFormat::kInt8);
    table.fill();
    std::memcpy(table.rows().row(23), &scale, sizeof scale);
    const storage::FileReader file = written(table);
    const Table read(RowFormat::kInt8);
    test::expect_error(ExitStatus::kBadData, {path_.string(), "row 23", "scale", "not finite"},
                       [&] { read_rows(file, "/rows", read.rows()); });
    RowTableReader reader(file, "/rows", kRows, kDim);
    std::vector<float> values(kRows * kDim);
    test::expect_error(ExitStatus::kBadData, {"row 23"}, [&] { reader.read_next({values.data(), kRows, kDim, kDim}); });
  }
}

TEST_F(RowTableFile, WithAScaleOfAGroupThatIsNotFiniteIsRefused) {
  for (const RowFormat format : {RowFormat::kInt8Groups, RowFormat::kInt4Groups})
    for (const std::uint16_t scale : {std::uint16_t{0x7F80}, std::uint16_t{0xFF80}, std::uint16_t{0x7FC0}}) {
      Table table(format);
      table.fill();
      std::memcpy(table.rows().row(31), &scale, sizeof scale);
      const storage::FileReader file = written(table);
      RowTableReader reader(file, "/rows", kRows, kDim);
      reader.read_stored(30);
      test::expect_error(ExitStatus::kBadData, {path_.string(), "row 31", "scale", "not finite"},
                         [&] { reader.read_stored(20); });
      const Table read(format);
      test::expect_error(ExitStatus::kBadData, {"row 31"}, [&] { read_rows(file, "/rows", read.rows()); });
    }
}

TEST_F(RowTableFile, WithHotRowsOutOfPlaceIsRefused) {
  for (const std::uint32_t slot : {0U, 4U, 7U, 0xFFFFFFFFU}) {
    Table table(RowFormat::kInt8);
    table.fill();
    kernels::mark_hot(table.rows().row(20), slot, kDim);
    const storage::FileReader file = written(table);
    const Table read(RowFormat::kInt8);
    test::expect_error(ExitStatus::kBadData, {path_.string(), "row 20"},
                       [&] { read_rows(file, "/rows", read.rows()); });
  }
  Table table(RowFormat::kInt8);
  table.fill();
  kernels::mark_hot(table.rows().row(49), kHot, kDim);
  const storage::FileReader file = written(table);
  const Table read(RowFormat::kInt8);
  test::expect_error(ExitStatus::kBadData, {"6 rows", "/hot_rows has 5"},
                     [&] { read_rows(file, "/rows", read.rows()); });
}

TEST_F(RowTableFile, HoldsStatesIn8Bits) {
  std::vector<std::byte> codes(kRows * kDim);
  for (std::size_t k = 0; k < codes.size(); ++k) codes[k] = static_cast<std::byte>(k);
  storage::FileWriter file(path_, "checkpoint part", 2);
  write_state(file, "/state", {StateFormat::kLog8, codes.data(), kRows, kDim, kDim});
  file.close();
  const auto reader = storage::FileReader::open_unverified(path_);
  std::vector<std::byte> read(codes.size());
  read_state(reader, "/state", {StateFormat::kLog8, read.data(), kRows, kDim, kDim});
  EXPECT_EQ(read, codes);
  std::vector<float> other(codes.size());
  test::expect_error(ExitStatus::kUsage, {"log8", "optimiser.state = fp32"}, [&] {
    read_state(reader, "/state", kernels::Matrix{other.data(), kRows, kDim, kDim});
  });
}

}  // namespace
}  // namespace tessera::checkpoint
