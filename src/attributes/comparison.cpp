// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/comparison.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

bool contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto are_alike = [&](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), are_alike) != text.end() || part.empty();
}

}  // namespace

std::partial_ordering Comparison::compare(std::string_view text) const {
  if (const auto* number = std::get_if<Number>(&constant_)) {
    const auto value = Number::parse(text);
    return value ? *value <=> *number : std::partial_ordering::unordered;
  }
  if (const auto* date = std::get_if<Date>(&constant_)) {
    const auto day = parse_date(text);
    return day ? std::partial_ordering(*day <=> date->day) : std::partial_ordering::unordered;
  }
  return text <=> std::string_view(std::get<std::string>(constant_));
}

bool Comparison::holds(std::string_view text) const {
  if (relation_ == Relation::kContains) return contains(text, std::get<std::string>(constant_));
  const std::partial_ordering order = compare(text);
  switch (relation_) {
    case Relation::kEqual: return order == 0;
    case Relation::kNotEqual: return order < 0 || order > 0;
    case Relation::kBelow: return order < 0;
    case Relation::kAtMost: return order <= 0;
    case Relation::kAbove: return order > 0;
    case Relation::kAtLeast: return order >= 0;
    case Relation::kContains: break;
  }
  return false;
}

}  // namespace tessera::attributes
