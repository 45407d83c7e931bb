// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/detail/allocator.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace tessera::memory {
namespace {
constexpr std::array<const char*, kTagCount> kNames = {"rows",      "state",     "queries",   "batch",      "halo",
                                                       "gradients", "logits",    "exchange",  "evaluation", "average",
                                                       "negatives", "workspace", "checkpoint"};
}  // namespace

const char* name(Tag tag) { return kNames.at(static_cast<std::size_t>(tag)); }

namespace detail {

Allocator::Allocator(std::uint64_t bytes, std::string_view arena, std::string_view advice, std::uint64_t unit_bytes)
    : unit_(unit_bytes), budget_(bytes / unit_bytes * unit_bytes), arena_(arena), advice_(advice) {
  if (budget_ == 0) fail(ExitStatus::kOverBudget, "a {} budget of {} bytes is too small for anything", arena, bytes);
  free_.emplace(0, budget_);
}

// The bytes of `count` elements in whole units. Where the number overflows, it is larger than any arena.
std::uint64_t Allocator::bytes_of(std::uint64_t count, std::uint64_t element_bytes) const {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - unit_;
  const std::uint64_t wanted = count > most / element_bytes ? most : count * element_bytes;
  return std::max<std::uint64_t>(1, (wanted + unit_ - 1) / unit_) * unit_;
}

Allocator::Place Allocator::allocate(Tag tag, std::uint64_t count_of, std::uint64_t element_bytes) {
  const std::uint64_t bytes = bytes_of(count_of, element_bytes);
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
  if (best == free_.end())
    fail(ExitStatus::kOverBudget, "the {} budget of {} is too small: {} more is needed for {}; in use: {}. {}", arena_,
         text::bytes(budget_), text::bytes(bytes), name(tag), describe(), advice_);
  const auto [offset, available] = *best;
  free_.erase(best);
  if (available > bytes) free_.emplace(offset + bytes, available - bytes);
  allocated_.emplace(offset, Block{bytes, tag});
  count(tag, bytes);
  return {offset, bytes};
}

void Allocator::count(Tag tag, std::uint64_t bytes) {
  TagUse& tag_use = uses_.at(static_cast<std::size_t>(tag));
  tag_use.bytes += bytes;
  tag_use.peak_bytes = std::max(tag_use.peak_bytes, tag_use.bytes);
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  ++allocation_count_;
}

void Allocator::release(std::uint64_t offset) noexcept {
  const auto found = allocated_.find(offset);
  if (found == allocated_.end()) return;
  const Block freed = found->second;
  allocated_.erase(found);
  uses_.at(static_cast<std::size_t>(freed.tag)).bytes -= freed.bytes;
  used_ -= freed.bytes;
  merge_free(offset, freed.bytes);
}

void Allocator::merge_free(std::uint64_t offset, std::uint64_t bytes) {
  const auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + bytes == next->first) {
    bytes += next->second;
    free_.erase(next);
  }
  const auto after = free_.lower_bound(offset);
  if (after != free_.begin()) {
    const auto previous = std::prev(after);
    if (previous->first + previous->second == offset) {
      previous->second += bytes;
      return;
    }
  }
  free_.emplace(offset, bytes);
}

std::string Allocator::describe() const {
  std::vector<std::size_t> order(kTagCount);
  for (std::size_t i = 0; i < kTagCount; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return uses_[a].bytes > uses_[b].bytes; });
  std::string out;
  for (const std::size_t tag : order)
    if (uses_[tag].bytes > 0)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", kNames[tag], text::bytes(uses_[tag].bytes));
  return out.empty() ? "nothing" : out;
}

}  // namespace detail
}  // namespace tessera::memory
