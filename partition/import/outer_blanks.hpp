// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/dictionary.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Remembers names that begin or end with a blank, as "a, b" gives them: the same names may occur without it.
class OuterBlanks {
 public:
  void note(std::string_view name, bool is_relation, const std::string& file, std::uint64_t line) {
    if (name.front() == ' ' || name.back() == ' ') add(name, is_relation, file, line);
  }
  /// Warns when names differ by their outer blanks only. With `on_disk`, entities cannot be looked up: any is reported.
  void report(const Dictionary& entities, const Dictionary& relations, bool on_disk) const;

 private:
  void add(std::string_view name, bool is_relation, const std::string& file, std::uint64_t line);
  static constexpr std::size_t kMost = 4096;
  std::set<std::string, std::less<>> entities_;
  std::set<std::string, std::less<>> relations_;
  std::string first_;
};

}  // namespace tessera::partition
