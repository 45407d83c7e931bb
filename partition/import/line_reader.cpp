// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/line_reader.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tessera::partition {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 18U;  // stays in the second-level cache while it is cut
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_carriage_return(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

LineReader::LineReader(Input& input, std::uint64_t longest_line_bytes)
    : input_(&input), longest_(longest_line_bytes), buffer_(kBlockBytes) {}

// Moves the unfinished line to the front and reads until a line end is there, the buffer is full, or the input ends.
bool LineReader::fill() {
  std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
  filled_ -= at_;
  at_ = 0;
  complete_ = 0;
  if (filled_ == buffer_.size()) buffer_.resize(std::min(2 * buffer_.size(), longest_ + kBlockBytes));
  while (complete_ == 0 && filled_ < buffer_.size()) {
    const std::size_t count = input_->read(std::span(buffer_).subspan(filled_));
    if (count == 0) {
      ended_ = true;
      break;
    }
    const void* end = ::memrchr(buffer_.data() + filled_, '\n', count);
    if (end != nullptr) complete_ = static_cast<std::size_t>(static_cast<const char*>(end) - buffer_.data()) + 1;
    filled_ += count;
  }
  if (!started_) {
    started_ = true;
    if (std::string_view(buffer_.data(), filled_).starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }
  check_block();
  return complete_ > at_;
}

void LineReader::check_block() {
  const std::string_view block(buffer_.data() + at_, complete_ - std::min(at_, complete_));
  clean_ = text::is_utf8(block);
  if (!allow_nul_) clean_ = clean_ && block.find('\0') == std::string_view::npos;
}

std::string LineReader::fault_of(std::string_view text) const {
  if (text.size() > longest_) return too_long();
  const std::size_t invalid = text::find_invalid_utf8(text);
  if (invalid != std::string_view::npos)
    return fmt::format("invalid UTF-8: byte 0x{:02x} at column {}", static_cast<unsigned char>(text[invalid]),
                       invalid + 1);
  const std::size_t nul = allow_nul_ ? std::string_view::npos : text.find('\0');
  if (nul != std::string_view::npos) return fmt::format("a NUL byte at column {}; is this a text file?", nul + 1);
  return {};
}

std::string LineReader::too_long() const {
  return fmt::format("the line is longer than the limit of {}", text::bytes(longest_));
}

bool LineReader::next(Line& line) {
  while (at_ >= complete_) {
    if (ended_) return give_rest(line);
    if (filled_ - at_ > longest_) return skip_long_line(line);
    fill();
  }
  const char* const begin = buffer_.data() + at_;
  const void* const end =
      std::memchr(begin, '\n', complete_ - at_);  // there is one: lines up to complete_ are complete
  const auto length = static_cast<std::size_t>(static_cast<const char*>(end) - begin);
  at_ += length + 1;
  line.text = without_carriage_return({begin, length});
  line.had_return = line.text.size() < length;
  line.number = ++number_;
  if (!line.fault.empty()) line.fault.clear();
  if (!clean_ || length > longest_) line.fault = fault_of(line.text);
  return true;
}

// The last line, when it has no line end.
bool LineReader::give_rest(Line& line) {
  if (at_ == filled_) return false;
  line.text = without_carriage_return({buffer_.data() + at_, filled_ - at_});
  line.number = ++number_;
  line.fault = fault_of(line.text);
  at_ = filled_;
  complete_ = filled_;
  return true;
}

bool LineReader::skip_long_line(Line& line) {
  line.text = {};
  line.number = ++number_;
  line.fault = too_long();
  do {
    at_ = filled_;
    fill();
  } while (complete_ == 0 && !ended_);
  if (complete_ == 0) {
    at_ = filled_;
    return true;
  }
  at_ = static_cast<std::size_t>(std::find(buffer_.begin(), buffer_.end(), '\n') - buffer_.begin()) + 1;
  return true;
}

std::string_view LineReader::sample() {
  if (!started_) fill();
  const std::size_t end = complete_ > at_ ? complete_ : filled_;
  return {buffer_.data() + at_, end - at_};
}

std::string_view LineReader::take_all() {
  if (!started_) fill();
  const std::string_view all(buffer_.data() + at_, filled_ - at_);
  at_ = complete_ = filled_;
  return all;
}

void LineReader::allow_nul() {
  allow_nul_ = true;
  check_block();
}

}  // namespace tessera::partition
