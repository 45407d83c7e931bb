// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Packed attributes: bits of a value, and the time of a condition, on one core.
//   attributes_bench [values]     generated columns (default: 10,000,000 values)
#include "attributes/column.hpp"
#include "packing/bits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

using tessera::attributes::Column;
using tessera::attributes::Comparison;
using tessera::attributes::Constant;
using tessera::attributes::Number;
using tessera::attributes::Relation;

struct Generated {
  const char* name;
  std::uint64_t gap;  // mean distance of entities that have a value
  std::function<std::string(std::uint64_t random)> make;
  Comparison comparison;
};

/// Processor time: other programs may run.
double milliseconds(std::clock_t start) { return 1000 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; }

void measure(const Generated& generated, std::uint64_t count) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> entities;
  std::vector<std::uint64_t> offsets = {0};
  std::string text;
  std::uint64_t entity = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    entities.push_back(entity);
    entity += generated.gap == 1 ? 1 : 1 + random() % (2 * generated.gap - 1);
    offsets.push_back((text += generated.make(random())).size());
  }
  const std::vector<std::uint32_t> datatypes(count);
  const tessera::attributes::ColumnContent content{entities, offsets, text, datatypes};
  std::clock_t start = std::clock();
  std::vector<std::uint8_t> bytes = encode_column(content, count_types(content).type());
  const double encoding = milliseconds(start);
  const std::size_t size = bytes.size();
  bytes.resize(size + tessera::packing::kPadding);
  start = std::clock();
  const Column column(std::span<const std::uint8_t>(bytes).first(size), entity + 1, 1);
  const double opening = milliseconds(start);
  double best = 1e9;
  std::vector<std::uint64_t> rows;
  for (int i = 0; i < 9; ++i) {
    start = std::clock();
    rows.assign(entity / 64 + 1, 0);
    column.select(generated.comparison, rows);
    best = std::min(best, milliseconds(start));
  }
  std::uint64_t found = 0;
  for (const std::uint64_t word : rows) found += static_cast<std::uint64_t>(__builtin_popcountll(word));
  start = std::clock();
  std::uint64_t characters = 0;
  constexpr int kLookups = 200'000;
  for (int i = 0; i < kLookups; ++i) characters += column.text(column.find(entities[random() % count]).first).size();
  fmt::print(
      "{:<34} {:<11} {:>6.2f} bits, condition {:>7.2f} ms ({} entities), open {:.1f} ms, look-up {:.2f} us, packed in "
      "{:.1f} s\n",
      generated.name, name(column.encoding()), 8.0 * static_cast<double>(size) / static_cast<double>(count), best,
      found, opening, milliseconds(start) * 1000 / kLookups, encoding / 1000);
  if (characters == 0) std::puts("");
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 10'000'000;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::char_traits<char>::length(argv[1]), count);
  const auto above = [](const char* number) { return Comparison(Relation::kAbove, Number::parse(number).value()); };
  const auto years = [](std::uint64_t r) { return fmt::format("{}", 1900 + r % 120); };
  const auto months = [](std::uint64_t r) {
    return fmt::format("{}.{}", 1900 + r % 120,
                       std::vector<const char*>{"0", "08333333", "25", "5", "91666667"}[r / 120 % 5]);
  };
  const std::vector<Generated> columns = {
      {"years, every entity", 1, years, above("1950")},
      {"years, every second entity", 2, years, above("1950")},
      {"decimals, every entity", 1,
       [](std::uint64_t r) { return fmt::format("{}.{:06}", r % 180, r / 180 % 1'000'000); }, above("90.5")},
      {"years and months, every entity", 1, months, above("1950.3")},
      {"40 kinds, every entity", 1, [](std::uint64_t r) { return fmt::format("kind {}", r % 40); },
       Comparison(Relation::kEqual, std::string("kind 7"))},
  };
  for (const Generated& column : columns) measure(column, count);
  return 0;
}
