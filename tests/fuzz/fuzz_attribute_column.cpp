// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/column.hpp"
#include "fuzz_target.hpp"
#include "packing/bits.hpp"

#include <array>

namespace {

using tessera::attributes::Column;
using tessera::attributes::Comparison;
using tessera::attributes::Relation;
using tessera::attributes::Type;

constexpr std::uint64_t kEntities = 5000;
constexpr std::uint64_t kMostValues = std::uint64_t{1} << 18U;  // a small input may stand for many

std::vector<std::uint8_t> packed(const std::vector<std::string>& texts, std::uint64_t step) {
  std::vector<std::uint64_t> entities;
  std::vector<std::uint64_t> offsets = {0};
  std::string text;
  std::vector<std::uint32_t> datatypes;
  for (const std::string& value : texts) {
    entities.push_back(entities.size() * step / 2);
    offsets.push_back((text += value).size());
    datatypes.push_back(static_cast<std::uint32_t>(step % 2 * (entities.size() % 3)));
  }
  const tessera::attributes::ColumnContent content{entities, offsets, text, datatypes};
  return encode_column(content, count_types(content).type());
}

Comparison comparison_for(Type type, Relation relation) {
  if (type == Type::kNumber) return {relation, *tessera::attributes::Number::parse("12.5")};
  if (type == Type::kDate) return {relation, tessera::attributes::Date{100}};
  return {relation, std::string("m")};
}

}  // namespace

// Whatever the bytes are, a column is refused, or all that is asked of it comes without leaving its memory.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  bytes.resize(size + tessera::packing::kPadding);
  tessera::fuzz::expect_no_defect([&] {
    const Column column(std::span<const std::uint8_t>(bytes).first(size), kEntities, 100);
    if (column.value_count() > kMostValues) return;
    std::vector<std::uint64_t> rows(kEntities / 64 + 1);
    column.select_all(rows);
    for (std::uint64_t entity = 0; entity < kEntities; entity += 97) {
      const auto range = column.find(entity);
      tessera::fuzz::require(range.end <= column.value_count() && range.first <= range.end);
      if (range.empty()) continue;
      static_cast<void>(column.text(range.first));
      static_cast<void>(column.datatype(range.first));
    }
    for (const Relation relation : {Relation::kEqual, Relation::kNotEqual, Relation::kBelow})
      column.select(comparison_for(column.type(), relation), rows);
    column.for_each(
        [](std::uint64_t entity, std::uint64_t, std::string_view) { tessera::fuzz::require(entity < kEntities); });
  });
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  std::vector<std::vector<std::string>> columns(8);
  for (int i = 0; i < 300; ++i) {
    columns[0].push_back(std::to_string(i * 37 % 1000));
    columns[1].push_back(std::to_string(i * 37 % 1000) + (i % 3 == 0 ? ".5" : i % 3 == 1 ? ".25" : ".0"));
    columns[2].push_back("19" + std::to_string(10 + i % 90) + "-01-1" + std::to_string(i % 10));
    columns[3].push_back(i % 20 == 0 ? "+7" : std::to_string(i * 1'000'000'007LL));
    columns[4].push_back(std::array{"red", "green", "", "blau"}.at(static_cast<std::size_t>(i) % 4));
    columns[5].push_back("a longer text with the number " + std::to_string(i * 7919 % 1000) + " in its middle");
    columns[6].push_back(std::to_string(i % 9 + 1) + "e+" + std::to_string(20 + i % 250));
  }
  std::vector<std::string> seeds;
  for (const auto& column : columns)
    for (const std::uint64_t step : {1U, 2U, 7U}) {
      const std::vector<std::uint8_t> bytes = packed(column, step);
      seeds.emplace_back(bytes.begin(), bytes.end());
    }
  return seeds;
}
