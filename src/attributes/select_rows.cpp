// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/select_rows.hpp"

#include "attributes/condition.hpp"
#include "attributes/table.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

/// Bits of `count` rows behind those of `all`, which has `before` of them.
void append(std::span<const std::uint64_t> bits, std::uint64_t count, std::uint64_t before,
            std::vector<std::uint64_t>& all) {
  all.resize((before + count + 63) / 64);
  const unsigned shift = before % 64;
  for (std::size_t word = 0; word < bits.size(); ++word) {
    const std::size_t at = before / 64 + word;
    all[at] |= bits[word] << shift;
    if (shift > 0 && at + 1 < all.size()) all[at + 1] |= bits[word] >> (64 - shift);
  }
}

}  // namespace

std::vector<std::uint64_t> select_rows(std::string_view condition, const graph::Shard& shard,
                                       const std::filesystem::path& partition_folder, memory::Pool& pool) {
  std::vector<std::uint64_t> all;
  std::uint64_t before = 0;
  for (const graph::Part& part : shard.parts) {
    const auto file = storage::FileReader::open_verified(partition_folder / graph::part_file_name(part.id()),
                                                         graph::kPartKind, graph::kPartVersion);
    if (!Table::is_in(file))
      fail(
          ExitStatus::kUsage,
          "'{}' has no attributes: the graph has none, or its partition is older than they are; then remove it and run "
          "'tessera partition' again",
          file.path().string());
    const Schema schema = Table::read_schema(file);
    const Condition parsed = Condition::parse(condition, schema);
    const std::vector<std::size_t> needed = parsed.attributes();
    const auto is_needed = [&](const std::string& name) {
      return std::binary_search(needed.begin(), needed.end(), schema.find(name).value());
    };
    const Table table(file, part.rows(), is_needed, &pool);
    append(parsed.select(table), part.rows(), before, all);
    before += part.rows();
  }
  return all;
}

}  // namespace tessera::attributes
