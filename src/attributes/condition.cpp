// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/condition.hpp"

#include <algorithm>

namespace tessera::attributes {

std::vector<std::size_t> Condition::attributes() const {
  std::vector<std::size_t> attributes;
  collect(root_, attributes);
  std::sort(attributes.begin(), attributes.end());
  attributes.erase(std::unique(attributes.begin(), attributes.end()), attributes.end());
  return attributes;
}

void Condition::collect(const Node& node, std::vector<std::size_t>& attributes) {
  if (node.kind == Kind::kCompare || node.kind == Kind::kExists) attributes.push_back(node.attribute);
  for (const Node& child : node.children) collect(child, attributes);
}

std::vector<std::uint64_t> Condition::select(const Table& table) const { return select(root_, table); }

std::vector<std::uint64_t> Condition::select(const Node& node, const Table& table) {
  std::vector<std::uint64_t> rows((table.entities() + 63) / 64);
  switch (node.kind) {
    case Kind::kCompare:
      for (const Comparison& comparison : node.any_of) table.column(node.attribute).select(comparison, rows);
      break;
    case Kind::kExists: table.column(node.attribute).select_all(rows); break;
    case Kind::kNot: {
      const std::vector<std::uint64_t> others = select(node.children.front(), table);
      std::transform(others.begin(), others.end(), rows.begin(), [](std::uint64_t word) { return ~word; });
      if (table.entities() % 64 != 0) rows.back() &= (std::uint64_t{1} << (table.entities() % 64)) - 1;
      break;
    }
    case Kind::kAnd:
    case Kind::kOr: {
      rows = select(node.children.front(), table);
      for (std::size_t i = 1; i < node.children.size(); ++i) {
        const std::vector<std::uint64_t> more = select(node.children[i], table);
        for (std::size_t w = 0; w < rows.size(); ++w)
          rows[w] = node.kind == Kind::kAnd ? rows[w] & more[w] : rows[w] | more[w];
      }
    }
  }
  return rows;
}

std::string quoted_value(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace tessera::attributes
