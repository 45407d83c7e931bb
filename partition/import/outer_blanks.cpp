// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/outer_blanks.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace tessera::partition {

void OuterBlanks::add(std::string_view name, bool is_relation, const std::string& file, std::uint64_t line) {
  std::set<std::string, std::less<>>& names = is_relation ? relations_ : entities_;
  if (names.size() < kMost) names.emplace(name);
  if (first_.empty()) first_ = fmt::format("'{}' at {}:{}", name, file, line);
}

void OuterBlanks::report(const Dictionary& entities, const Dictionary& relations, bool on_disk) const {
  std::uint64_t pairs = 0;
  std::string example;
  const auto look_up = [&](const std::set<std::string, std::less<>>& names, const Dictionary& all) {
    for (const std::string& name : names) {
      const std::size_t first = name.find_first_not_of(' ');
      if (first == std::string::npos) continue;
      const std::string inner = name.substr(first, name.find_last_not_of(' ') - first + 1);
      if (!all.contains(inner)) continue;
      if (++pairs == 1) example = fmt::format("'{}' and '{}'", name, inner);
    }
  };
  look_up(entities_, entities);
  look_up(relations_, relations);
  if (pairs > 0)
    log::warning(
        "{} names differ from others by blanks at their ends only, such as {}: they are different names; --trim "
        "takes such blanks off",
        text::with_thousands(pairs), example);
  else if (on_disk && !entities_.empty())
    log::warning("some names begin or end with a blank, such as {}; --trim takes such blanks off", first_);
}

}  // namespace tessera::partition
