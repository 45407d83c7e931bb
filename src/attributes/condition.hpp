// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/comparison.hpp"
#include "attributes/table.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes {

/// A text as a value of a condition: in double quotes, those in it doubled.
std::string quoted_value(std::string_view text);

/// What entities are asked for: `birth_year > 1950 and type in ("Person", "Writer") and not exists death_year`. The
/// grammar is in docs/user/attributes.md. A comparison holds for an entity when it holds for one of its values; an
/// entity without a value fulfils none.
class Condition {
 public:
  /// Throws Error(kUsage): with the column and what was expected there; the nearest names of an attribute that does not
  /// exist; a value of another type than the attribute.
  static Condition parse(std::string_view text, const Schema& schema);

  /// Places in the schema of all attributes that are named, ascending.
  [[nodiscard]] std::vector<std::size_t> attributes() const;
  /// Bit e of [(entities + 63) / 64]: whether it holds for entity e of the table, which has the attributes and the
  /// schema of parse().
  [[nodiscard]] std::vector<std::uint64_t> select(const Table& table) const;

 private:
  friend class ConditionParser;
  enum class Kind : std::uint8_t { kCompare, kExists, kAnd, kOr, kNot };
  struct Node {
    Kind kind = Kind::kCompare;
    std::size_t attribute = 0;
    std::vector<Comparison> any_of;  // of a comparison, one; of a list, one each
    std::vector<Node> children;
  };
  static void collect(const Node& node, std::vector<std::size_t>& attributes);
  static std::vector<std::uint64_t> select(const Node& node, const Table& table);

  Node root_;
};

}  // namespace tessera::attributes
