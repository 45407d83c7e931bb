// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/value.hpp"

#include <cmath>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tessera::attributes {
namespace {

Number number(const std::string& text) { return Number::parse(text).value(); }

TEST(Number, TextsThatAreNumbers) {
  for (const char* text : {"0", "-0", "+5", "007", "1e5", "1E-5", "1.10", ".5", "5.", "-.5e+3", "NaN", "nan", "INF",
                           "-INF", "Infinity", "123456789012345678901234567890", "1e999999999999999999999"})
    EXPECT_TRUE(Number::parse(text)) << text;
  for (const char* text :
       {"", "-", "+", ".", "1e", "1e+", "e5", "1.2.3", "1 ", " 1", "0x10", "1,000", "--1", "infinite", "Nan"})
    EXPECT_FALSE(Number::parse(text)) << text;
}

TEST(Number, OrderIsExact) {
  const std::vector<std::string> ascending = {"-INF",
                                              "-1e400",
                                              "-10",
                                              "-9.99",
                                              "-1",
                                              "-0.1",
                                              "-1e-400",
                                              "0",
                                              "1e-400",
                                              "0.05",
                                              "0.1",
                                              "0.10000000000000000000000001",
                                              "1",
                                              "1.5",
                                              "2",
                                              "10",
                                              "9007199254740993",
                                              "9007199254740993.5",
                                              "1e400",
                                              "INF"};
  for (std::size_t i = 0; i < ascending.size(); ++i)
    for (std::size_t k = 0; k < ascending.size(); ++k) {
      EXPECT_EQ(number(ascending[i]) < number(ascending[k]), i < k) << ascending[i] << " " << ascending[k];
      EXPECT_EQ(number(ascending[i]) == number(ascending[k]), i == k) << ascending[i] << " " << ascending[k];
    }
  EXPECT_EQ(number("1.50"), number("15e-1"));
  EXPECT_EQ(number("-0.0"), number("0"));
  EXPECT_EQ(number("007"), number("7"));
  EXPECT_EQ(Number::of(-120), number("-1.2e2"));
  EXPECT_FALSE(number("NaN") == number("NaN"));
  EXPECT_FALSE(number("NaN") < number("1") || number("NaN") > number("1"));
}

TEST(Number, ScaledFloors) {
  struct Case {
    const char* text;
    unsigned scale;
    std::int64_t floor;
    bool is_exact;
  };
  for (const Case& c :
       {Case{"0", 3, 0, true}, Case{"1.25", 2, 125, true}, Case{"1.25", 1, 12, false}, Case{"-1.25", 1, -13, false},
        Case{"-1.25", 2, -125, true}, Case{"0.001", 2, 0, false}, Case{"-0.001", 2, -1, false},
        Case{"1e30", 0, INT64_MAX, false}, Case{"-1e30", 0, INT64_MIN, false}, Case{"12e3", 2, 1200000, true}}) {
    const ScaledFloor scaled = scaled_floor(number(c.text), c.scale);
    EXPECT_EQ(scaled.floor, c.floor) << c.text;
    EXPECT_EQ(scaled.is_exact, c.is_exact) << c.text;
  }
}

TEST(FixedPoint, TextsComeBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto mantissa = static_cast<std::int64_t>(random() >> (5 + random() % 58)) * (i % 2 == 0 ? 1 : -1);
    const auto decimals = static_cast<unsigned>(random() % 19);
    const auto value = parse_fixed_point(to_text(mantissa, decimals));
    if (mantissa == 0 || std::abs(mantissa) >= 1'000'000'000'000'000'000 || decimals == 18) continue;
    ASSERT_TRUE(value) << to_text(mantissa, decimals);
    EXPECT_EQ(value->mantissa, mantissa);
    EXPECT_EQ(value->decimals, decimals);
  }
  EXPECT_EQ(to_text(-5, 2), "-0.05");
  EXPECT_EQ(to_text(0, 0), "0");
}

TEST(Date, EveryDayOfTheCalendarComesBack) {
  EXPECT_EQ(parse_date("1970-01-01"), 0);
  EXPECT_EQ(parse_date("0001-01-01"), kFirstDay);
  EXPECT_EQ(parse_date("9999-12-31"), kLastDay);
  EXPECT_EQ(parse_date("2000-02-29"), 11016);
  for (std::int64_t day = kFirstDay; day <= kLastDay; day += 3) {
    const std::string text = date_text(day);
    ASSERT_EQ(parse_date(text), day) << text;
  }
  for (const char* text :
       {"1900-02-29", "2021-02-30", "2021-13-01", "2021-00-10", "2021-01-00", "0000-01-01", "21-01-01", "2021-1-01",
        "2021-01-01Z", "-044-03-15", "2021/01/01", "----------", "20210-1-01"})
    EXPECT_FALSE(parse_date(text)) << text;
}

TEST(Type, OfTexts) {
  EXPECT_EQ(type_of("1e5"), Type::kNumber);
  EXPECT_EQ(type_of("1999-12-31"), Type::kDate);
  EXPECT_EQ(type_of("1999-12-32"), Type::kText);
  EXPECT_EQ(type_of(""), Type::kText);
}

}  // namespace
}  // namespace tessera::attributes
