// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "storage/detail/packed_store.hpp"
#include "storage/detail/symbol_trainer.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace tessera::storage {
namespace {

using detail::BucketWriter;
using detail::head_of;
using detail::kBucketStrings;
using detail::kPageStrings;
using detail::shared_bytes;
using detail::SymbolTable;
using detail::SymbolTrainer;

using StringAt = std::function<std::string_view(std::uint64_t)>;

constexpr std::uint64_t kSampleBytes = std::uint64_t{256} << 10U;
constexpr std::uint64_t kSampleStrings = 8192;

std::size_t prefix_of(std::span<const std::string> page) {
  return std::min<std::size_t>(shared_bytes(page.front(), page.back()), 255);
}

struct Sample {
  SymbolTrainer trainer;
  std::uint64_t strings = 0;
};

// Every `step`-th bucket.
Sample take_sample(std::uint64_t count, std::uint64_t step, const StringAt& string) {
  Sample sample;
  std::vector<std::string> page(2);
  std::vector<std::string> bucket;
  for (std::uint64_t first = 0; first < count; first += step * kBucketStrings) {
    const std::uint64_t page_first = first / kPageStrings * kPageStrings;
    page[0] = string(page_first);
    page[1] = string(std::min(count, page_first + kPageStrings) - 1);
    bucket.clear();
    for (std::uint64_t i = first; i < std::min(count, first + kBucketStrings); ++i) bucket.emplace_back(string(i));
    sample.trainer.add_bucket(bucket, prefix_of(page));
    sample.strings += bucket.size();
    if (sample.trainer.bytes() > kSampleBytes && step < count) return take_sample(count, 2 * step, string);
  }
  return sample;
}

SymbolTable train(std::uint64_t count, const StringAt& string) {
  const Sample sample = take_sample(count, count / kSampleStrings + 1, string);
  const std::uint64_t taken = std::max<std::uint64_t>(sample.strings, 1);
  return sample.trainer.train(static_cast<double>(count) / static_cast<double>(taken));
}

void append_number(std::uint64_t value, std::size_t width, std::vector<std::uint8_t>& out) {
  for (std::size_t byte = 0; byte < width; ++byte) out.push_back(static_cast<std::uint8_t>(value >> (8 * byte)));
}

void append_page(std::span<const std::string> strings, BucketWriter& writer, std::vector<std::uint8_t>& out) {
  std::vector<std::uint64_t> starts;
  std::vector<std::uint8_t> coded;
  std::vector<std::uint8_t> heads;
  const std::size_t prefix = prefix_of(strings);
  for (std::size_t first = 0; first < strings.size(); first += kBucketStrings) {
    if (first > 0) {
      starts.push_back(coded.size());
      append_number(head_of<std::uint32_t>(std::string_view(strings[first]).substr(prefix)), 4, heads);
    }
    writer.write(strings.subspan(first, std::min<std::size_t>(kBucketStrings, strings.size() - first)), prefix, coded);
  }
  const std::uint64_t last = starts.empty() ? 0 : starts.back();
  const std::size_t width = last <= 0xFFFFU ? 2 : last <= 0xFFFFFFFFU ? 4 : 8;
  const std::size_t start = out.size();
  out.push_back(static_cast<std::uint8_t>(width));
  out.push_back(static_cast<std::uint8_t>(prefix));
  out.insert(out.end(), strings.front().begin(), strings.front().begin() + static_cast<std::ptrdiff_t>(prefix));
  out.insert(out.end(), heads.begin(), heads.end());
  for (const std::uint64_t offset : starts) append_number(offset, width, out);
  out.insert(out.end(), coded.begin(), coded.end());
  append_number(PackedStrings::page_hash(std::span(out).subspan(start)), PackedStrings::kHashBytes, out);
}

}  // namespace

std::uint32_t PackedStrings::page_hash(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

PackedStrings PackedStrings::encode(std::uint64_t count, const StringAt& string) {
  PackedStrings packed;
  packed.count = count;
  const SymbolTable table = train(count, string);
  packed.symbols.resize(table.symbols().size_bytes());
  std::memcpy(packed.symbols.data(), table.symbols().data(), packed.symbols.size());
  BucketWriter writer(table);
  std::vector<std::string> page;
  std::string last;
  packed.page_offsets.push_back(0);
  packed.separator_offsets.push_back(0);
  for (std::uint64_t first = 0; first < count; first += kPageStrings) {
    page.resize(std::min(kPageStrings, count - first));
    for (std::uint64_t i = 0; i < page.size(); ++i) page[i] = string(first + i);
    append_page(page, writer, packed.bytes);
    packed.page_offsets.push_back(packed.bytes.size());
    // As much of the first string as tells it from the last of the page before; nothing on page 0.
    if (first > 0) {
      const auto size =
          static_cast<std::ptrdiff_t>(std::min(page.front().size(), shared_bytes(last, page.front()) + 1));
      packed.separators.insert(packed.separators.end(), page.front().begin(), page.front().begin() + size);
    }
    packed.separator_offsets.push_back(packed.separators.size());
    last = page.back();
  }
  return packed;
}

void PackedStrings::write(FileWriter& file, const std::string& group, const std::string& long_name) const {
  file.write<std::uint8_t>(group + "/bytes", bytes, {long_name + ": packed, pages of 256 strings", "byte"});
  file.write<std::uint64_t>(group + "/page_offsets", page_offsets,
                            {"start of each page in bytes, and the end", "byte"});
  file.write<std::uint8_t>(group + "/symbols", symbols, {"rows: bits of the code, kind, 7 bytes of text"},
                           {symbols.size() / kSymbolBytes, kSymbolBytes});
  file.write<std::uint8_t>(group + "/separators", separators, {"start of the first string of each page", "byte"});
  file.write<std::uint64_t>(group + "/separator_offsets", separator_offsets,
                            {"start of each separator, and the end", "byte"});
  file.attribute(group, "count", count);
  file.attribute(group, "encoding_version", std::uint64_t{2});
}

}  // namespace tessera::storage
