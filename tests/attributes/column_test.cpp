// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "column_support.hpp"

#include "core/error.hpp"
#include "packing/bits.hpp"

#include <charconv>
#include <limits>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tessera::attributes {
namespace {

using test::Row;
using test::rows_of;
using test::TestColumn;
using Texts = std::vector<std::string>;

constexpr std::array kRelations = {Relation::kEqual,  Relation::kNotEqual, Relation::kBelow,
                                   Relation::kAtMost, Relation::kAbove,    Relation::kAtLeast};

Texts repeat(const Texts& texts, std::size_t count) {
  Texts all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(texts[i * 7 % texts.size()]);
  return all;
}

Texts made(std::size_t count, const std::function<std::string(std::uint64_t random)>& make) {
  std::mt19937_64 random(11);
  Texts texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(make(random()));
  return texts;
}

std::string shortest(double value) {
  std::array<char, 32> buffer;
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

struct Case {
  const char* name;
  Texts texts;
  Type type;
  std::optional<Encoding> encoding;
};

std::vector<Case> cases() {
  const Texts hard = {"-0",
                      "+5",
                      "1e5",
                      "007",
                      "1.10",
                      "NaN",
                      "-INF",
                      "0",
                      "-0.0",
                      "5.",
                      ".5",
                      "1e-300",
                      "123456789012345678901234567890",
                      "-9223372036854775808",
                      "0.000000000000000001"};
  const auto years = [](std::uint64_t r) { return fmt::format("{}", 1900 + r % 120); };
  const auto twelfths = [](std::uint64_t r) {
    return fmt::format("{}.{}", 1500 + r % 520, Texts{"0", "08333333", "5", "91666667"}.at(r / 520 % 4));
  };
  std::vector<Case> all = {
      {"hard numbers", hard, Type::kNumber, {}},
      {"many hard numbers", repeat(hard, 3000), Type::kNumber, Encoding::kDictionary},
      {"years", made(5000, years), Type::kNumber, Encoding::kDecimal},
      {"large whole numbers",
       made(3000,
            [](std::uint64_t r) {
              return fmt::format("{}", static_cast<std::int64_t>(r % 2'000'000'000'000'000) - 1'000'000'000'000'000);
            }),
       Type::kNumber, Encoding::kDecimal},
      {"years and months", made(5000, twelfths), Type::kNumber, Encoding::kSplit},
      {"years with .0", made(1500, [&](std::uint64_t r) { return years(r) + ".0"; }), Type::kNumber, Encoding::kSplit},
      {"negative split",
       made(2100,
            [](std::uint64_t r) {
              return fmt::format("{}{}.{}", r % 2 == 0 ? "-" : "", r / 2 % 5000, r / 10000 % 2 == 0 ? "25" : "750");
            }),
       Type::kNumber, Encoding::kSplit},
      {"degrees",
       made(4000, [](std::uint64_t r) { return to_text(static_cast<std::int64_t>(r % 360'000'000) - 180'000'000, 6); }),
       Type::kNumber, Encoding::kDecimal},
      {"prices", made(2000, [](std::uint64_t r) { return to_text(static_cast<std::int64_t>(r % 10'000'000), 2); }),
       Type::kNumber, Encoding::kDecimal},
      {"few exceptions",
       made(4000, [&](std::uint64_t r) { return r % 400 == 0   ? "+" + years(r)
                                                : r % 401 == 0 ? "NaN"
                                                               : years(r); }),
       Type::kNumber, Encoding::kDecimal},
      {"doubles",
       made(3000,
            [](std::uint64_t r) {
              return shortest(
                  std::ldexp(static_cast<double>(static_cast<std::int64_t>(r)), static_cast<int>(r % 300) - 150));
            }),
       Type::kNumber, Encoding::kDouble},
      {"dates", made(3000, [](std::uint64_t r) { return date_text(static_cast<std::int64_t>(r % 40000) - 20000); }),
       Type::kDate, Encoding::kDate},
      {"any date",
       made(700,
            [](std::uint64_t r) {
              return date_text(kFirstDay +
                               static_cast<std::int64_t>(r % static_cast<std::uint64_t>(kLastDay - kFirstDay)));
            }),
       Type::kDate, Encoding::kDate},
      {"dates out of range", {"2021-02-30", "0000-01-01", "12345-01-01", "1999-01-01"}, Type::kText, {}},
      {"few words",
       made(5000,
            [](std::uint64_t r) {
              return Texts{"", "Person", "Stadt", "Überland", "人"}.at(r % 5);
            }),
       Type::kText, Encoding::kDictionary},
      {"sentences",
       made(3000,
            [](std::uint64_t r) {
              return fmt::format("the {} entity of number {} and of {} is here", r, r % 1000, r % 77);
            }),
       Type::kText, Encoding::kBlocks},
      {"empty strings", Texts(100, ""), Type::kText, {}},
      {"one", {"x"}, Type::kText, {}},
      {"long text", {std::string(200'000, 'x') + "y", std::string("a\0b", 3), "\xF0\x9F\x98\x80"}, Type::kText, {}},
      {"mixed", {"1", "2", "three"}, Type::kText, {}},
      {"nothing", {}, Type::kText, {}},
  };
  return all;
}

TEST(Column, EveryTextComesBack) {
  for (const Case& c : cases()) {
    const TestColumn column(rows_of(c.texts), c.texts.size());
    EXPECT_EQ(column.column().type(), c.type) << c.name;
    const Encoding encoding = column.column().encoding();
    EXPECT_STREQ(name(encoding), name(c.encoding.value_or(encoding))) << c.name;
    EXPECT_EQ(column.difference(), "") << c.name;
  }
}

/// Entities with gaps, with several values, with datatypes.
std::vector<Row> scattered(const Texts& texts, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Row> rows;
  std::uint64_t entity = random() % 5;
  for (const std::string& text : texts) {
    rows.push_back({entity, text, static_cast<std::uint32_t>(random() % 3 * 70'000)});
    entity += seed % 2 == 0 ? 1 + random() % 9 : random() % 3;
  }
  return rows;
}

TEST(Column, EntitiesWithGapsAndSeveralValues) {
  for (const std::uint64_t seed : {1U, 2U})
    for (const Case& c : cases()) {
      const std::vector<Row> rows = scattered(c.texts, seed);
      const TestColumn column(rows, rows.empty() ? 1 : rows.back().entity + 10);
      EXPECT_EQ(column.difference(), "") << c.name;
      std::uint64_t last = ~std::uint64_t{0};
      std::uint64_t distinct = 0;
      for (const Row& row : rows) distinct += std::exchange(last, row.entity) != row.entity ? 1 : 0;
      EXPECT_EQ(column.column().entity_count(), distinct);
      EXPECT_TRUE(column.column().find(rows.empty() ? 0 : rows.back().entity + 1).empty());
    }
}

TEST(Column, ManyDatatypes) {
  std::vector<Row> rows;
  for (std::uint32_t i = 0; i < 80'000; ++i) rows.push_back({i, "x", i * 3});
  EXPECT_EQ(TestColumn(rows, rows.size()).difference(), "");
}

std::vector<Constant> constants(const TestColumn& column) {
  std::vector<Constant> found;
  const std::size_t step = 1 + column.rows().size() / 40;
  for (std::size_t i = 0; i < column.rows().size(); i += step) {
    const std::string& text = column.rows()[i].text;
    if (column.column().type() == Type::kDate) found.push_back(Date{parse_date(text).value()});
    if (column.column().type() == Type::kText) found.push_back(text);
    if (column.column().type() != Type::kNumber) continue;
    const Number number = Number::parse(text).value();
    if (number.kind == Number::Kind::kFinite) found.push_back(number);
  }
  if (column.column().type() == Type::kNumber)
    for (const char* text : {"0", "-0.5", "1e400", "-1e400", "1950.5", "1e-400", "-1e-400", "1e25", "1.10",
                             "2000.08333333", "99999999999999999999", "-3", "-2.25"})
      found.push_back(Number::parse(text).value());
  if (column.column().type() == Type::kText) found.push_back("M");
  return found;
}

TEST(Column, SelectsWhatEachTextSays) {
  for (const std::uint64_t seed : {0U, 1U, 2U})
    for (const Case& c : cases()) {
      const std::vector<Row> rows = seed == 0 ? rows_of(c.texts) : scattered(c.texts, seed);
      const TestColumn column(rows, rows.empty() ? 1 : rows.back().entity + 100);
      for (const Constant& constant : constants(column))
        for (const Relation relation : kRelations) {
          const auto [packed, plain] = column.select(Comparison(relation, constant));
          ASSERT_EQ(packed, plain) << c.name << ", relation " << static_cast<int>(relation);
        }
    }
}

TEST(Column, DamageIsAnErrorOrAnotherText) {
  std::mt19937_64 random(5);
  for (const Case& c : cases()) {
    const TestColumn column(scattered(c.texts, 1), 50'000);
    for (int i = 0; i < 300; ++i) {
      std::vector<std::uint8_t> bytes = column.packed();
      for (std::uint64_t k = 1 + random() % 3; k > 0; --k)
        bytes[random() % std::min<std::size_t>(bytes.size(), i % 2 == 0 ? 64 : bytes.size())] ^=
            static_cast<std::uint8_t>(1 + random() % 255);
      if (random() % 4 == 0) bytes.resize(random() % bytes.size());
      const std::size_t size = bytes.size();
      bytes.resize(size + packing::kPadding);
      try {
        const Column damaged(std::span<const std::uint8_t>(bytes).first(size), 50'000, 1U << 31U);
        if (damaged.value_count() > 100'000) continue;
        std::vector<std::uint64_t> rows(50'000 / 64 + 1);
        damaged.select_all(rows);
        damaged.for_each([](std::uint64_t entity, std::uint64_t, std::string_view) { EXPECT_LT(entity, 50'000U); });
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), ExitStatus::kBadData);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::attributes
