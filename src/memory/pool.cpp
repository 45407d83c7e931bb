// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/pool.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

namespace tessera::memory {
namespace {
constexpr std::uint64_t kAlignment = 64;
constexpr std::array<const char*, kTagCount> kNames = {"rows",      "state",  "queries",  "batch",      "halo",
                                                       "gradients", "logits", "exchange", "evaluation", "average"};
}  // namespace

const char* name(Tag tag) { return kNames.at(static_cast<std::size_t>(tag)); }

Pool::Pool(std::uint64_t budget_bytes) : budget_(budget_bytes / kAlignment * kAlignment) {
  if (budget_ == 0)
    fail(ExitStatus::kOverBudget, "a memory budget of {} bytes is too small for anything", budget_bytes);
  void* mapped = mmap(nullptr, budget_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    fail(ExitStatus::kOverBudget, "the system refuses an address range of {} for the memory pool; lower run.memory",
         text::bytes(budget_));
  base_ = static_cast<std::byte*>(mapped);
  madvise(base_, budget_, MADV_HUGEPAGE);
  free_.emplace(0, budget_);
}

Pool::~Pool() { munmap(base_, budget_); }

void* Pool::allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes) {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - kAlignment;
  const std::uint64_t wanted = count > most / element_bytes ? most : count * element_bytes;  // cannot overflow
  const std::uint64_t bytes = std::max<std::uint64_t>(1, (wanted + kAlignment - 1) / kAlignment) * kAlignment;
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
  if (best == free_.end())
    fail(ExitStatus::kOverBudget,
         "the memory budget of {} is too small: {} more is needed for {}; in use: {}. Raise run.memory, use more "
         "ranks, or "
         "lower model.dim, train.batch_size or negatives.count",
         text::bytes(budget_), text::bytes(bytes), name(tag), describe());
  const auto [offset, available] = *best;
  free_.erase(best);
  if (available > bytes) free_.emplace(offset + bytes, available - bytes);
  allocated_.emplace(offset, Block{bytes, tag});
  TagUse& tag_use = uses_.at(static_cast<std::size_t>(tag));
  tag_use.bytes += bytes;
  tag_use.peak_bytes = std::max(tag_use.peak_bytes, tag_use.bytes);
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  ++allocation_count_;
  std::memset(base_ + offset, 0, bytes);
  return base_ + offset;
}

void Pool::release(void* block) noexcept {
  const auto offset = static_cast<std::uint64_t>(static_cast<std::byte*>(block) - base_);
  const auto found = allocated_.find(offset);
  if (found == allocated_.end()) return;
  const Block freed = found->second;
  allocated_.erase(found);
  uses_.at(static_cast<std::size_t>(freed.tag)).bytes -= freed.bytes;
  used_ -= freed.bytes;
  merge_free(offset, freed.bytes);
}

void Pool::merge_free(std::uint64_t offset, std::uint64_t bytes) {
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

std::string Pool::describe() const {
  std::vector<std::size_t> order(kTagCount);
  for (std::size_t i = 0; i < kTagCount; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return uses_[a].bytes > uses_[b].bytes; });
  std::string out;
  for (const std::size_t tag : order)
    if (uses_[tag].bytes > 0)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", kNames[tag], text::bytes(uses_[tag].bytes));
  return out.empty() ? "nothing" : out;
}

}  // namespace tessera::memory
