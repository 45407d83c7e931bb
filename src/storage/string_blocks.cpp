// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/string_blocks.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "storage/hdf5.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace tessera::storage {
namespace {

constexpr int kLevel = 9;
constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kMostRatio = 32768;  // a zstd block of at least 4 bytes makes at most 128 KiB

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7U) out.push_back(static_cast<char>((value & 127U) | 128U));
  out.push_back(static_cast<char>(value));
}

std::uint64_t take_varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (in.empty()) break;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 127U) << shift;
    if (byte < 128) return value;
  }
  fail(ExitStatus::kBadData, "a block of strings is damaged");
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())), b.begin()).first -
      a.begin());
}

std::string front_code(std::uint64_t first, std::uint64_t last,
                       const std::function<std::string_view(std::uint64_t)>& string) {
  std::string coded;
  std::string previous;
  for (std::uint64_t i = first; i < last; ++i) {
    const std::string_view current = string(i);
    const std::size_t shared = i == first ? 0 : common_prefix(previous, current);
    put_varint(coded, shared);
    put_varint(coded, current.size() - shared);
    coded += current.substr(shared);
    previous = current;
  }
  return coded;
}

}  // namespace

StringBlocks StringBlocks::encode(std::uint64_t count, const std::function<std::string_view(std::uint64_t)>& string) {
  StringBlocks blocks;
  blocks.count_ = count;
  blocks.offsets_.push_back(0);
  for (std::uint64_t first = 0; first < count; first += kBlockStrings) {
    const std::string coded = front_code(first, std::min(count, first + kBlockStrings), string);
    const std::size_t start = blocks.bytes_.size();
    blocks.bytes_.resize(start + ZSTD_compressBound(coded.size()));
    const std::size_t size =
        ZSTD_compress(blocks.bytes_.data() + start, blocks.bytes_.size() - start, coded.data(), coded.size(), kLevel);
    TESSERA_ASSERT(ZSTD_isError(size) == 0, ZSTD_getErrorName(size));
    blocks.bytes_.resize(start + size);
    blocks.offsets_.push_back(blocks.bytes_.size());
  }
  return blocks;
}

void StringBlocks::write(FileWriter& file, const std::string& group, const std::string& long_name) const {
  file.write<std::uint8_t>(group + "/bytes", bytes_,
                           {long_name + ": front-coded, zstd, blocks of 1024 strings", "byte"});
  file.write<std::uint64_t>(group + "/block_offsets", offsets_, {"start of each block in bytes, and the end", "byte"});
  file.attribute(group, "count", count_);
  file.attribute(group, "encoding_version", kFormatVersion);
}

StringBlocks StringBlocks::read(const FileReader& file, const std::string& group) {
  StringBlocks blocks;
  blocks.count_ = file.integer(group, "count");
  blocks.bytes_ = file.read<std::uint8_t>(group + "/bytes");
  blocks.offsets_ = file.read<std::uint64_t>(group + "/block_offsets");
  const std::uint64_t full = blocks.count_ / kBlockStrings;  // rounding up could wrap around
  const std::uint64_t expected = full + (blocks.count_ % kBlockStrings == 0 ? 0 : 1) + 1;
  const bool sound = file.integer(group, "encoding_version") == kFormatVersion && blocks.offsets_.size() == expected &&
                     blocks.offsets_.front() == 0 && blocks.offsets_.back() == blocks.bytes_.size() &&
                     std::is_sorted(blocks.offsets_.begin(), blocks.offsets_.end());
  if (!sound)
    fail(ExitStatus::kBadData, "'{}', group {}: the string blocks are inconsistent", file.path().string(), group);
  return blocks;
}

std::vector<std::string> StringBlocks::block(std::uint64_t block_index) const {
  TESSERA_ASSERT(block_index < block_count(), "string block out of range");
  const std::uint8_t* start = bytes_.data() + offsets_[block_index];
  const std::uint64_t size = offsets_[block_index + 1] - offsets_[block_index];
  const unsigned long long plain = ZSTD_getFrameContentSize(start, size);
  if (plain == ZSTD_CONTENTSIZE_ERROR || plain == ZSTD_CONTENTSIZE_UNKNOWN || plain / kMostRatio > size)
    fail(ExitStatus::kBadData, "a block of strings is damaged");
  std::string coded(plain, '\0');
  if (ZSTD_isError(ZSTD_decompress(coded.data(), coded.size(), start, size)) != 0)
    fail(ExitStatus::kBadData, "a block of strings is damaged");
  std::vector<std::string> strings;
  std::string_view rest = coded;
  const std::uint64_t wanted = std::min(kBlockStrings, count_ - block_index * kBlockStrings);
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t shared = take_varint(rest);
    const std::uint64_t added = take_varint(rest);
    if (added > rest.size() || shared > (strings.empty() ? 0 : strings.back().size()))
      fail(ExitStatus::kBadData, "a block of strings is damaged");
    strings.push_back((strings.empty() ? std::string() : strings.back().substr(0, shared)) +
                      std::string(rest.substr(0, added)));
    rest.remove_prefix(added);
  }
  if (!rest.empty()) fail(ExitStatus::kBadData, "a block of strings is damaged");
  return strings;
}

std::string StringBlocks::get(std::uint64_t rank) const {
  TESSERA_ASSERT(rank < count_, "string rank out of range");
  return block(rank / kBlockStrings).at(rank % kBlockStrings);
}

std::optional<std::uint64_t> StringBlocks::find(std::string_view name) const {
  std::uint64_t low = 0;
  std::uint64_t high = block_count();
  while (high - low > 1) {  // the last block whose first string is not above `name`
    const std::uint64_t middle = (low + high) / 2;
    (block(middle).front() <= name ? low : high) = middle;
  }
  if (low == high) return std::nullopt;
  const std::vector<std::string> strings = block(low);
  const auto found = std::lower_bound(strings.begin(), strings.end(), name);
  if (found == strings.end() || *found != name) return std::nullopt;
  return low * kBlockStrings + static_cast<std::uint64_t>(found - strings.begin());
}

std::vector<std::string> StringBlocks::nearest(std::string_view name, std::size_t limit) const {
  struct Candidate {
    std::size_t distance;
    std::string string;
    auto operator<=>(const Candidate&) const = default;
  };
  std::vector<Candidate> best;
  if (limit == 0) return {};
  for (std::uint64_t i = 0; i < block_count(); ++i) {
    for (std::string& string : block(i)) {
      const std::size_t gap = string.size() > name.size() ? string.size() - name.size() : name.size() - string.size();
      if (best.size() == limit && gap > best.back().distance) continue;
      Candidate candidate{text::edit_distance(name, string), std::move(string)};
      if (best.size() == limit && !(candidate < best.back())) continue;
      best.insert(std::upper_bound(best.begin(), best.end(), candidate), std::move(candidate));
      if (best.size() > limit) best.pop_back();
    }
  }
  std::vector<std::string> names;
  for (Candidate& candidate : best) names.push_back(std::move(candidate.string));
  return names;
}

}  // namespace tessera::storage
