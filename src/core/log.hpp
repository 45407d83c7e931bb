// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>

namespace tessera::log {

enum class Level { kDebug, kInfo, kWarning, kError };

/// Receives every message of the library. Called from one thread at a time.
using Sink = std::function<void(Level, std::string_view)>;

/// Replaces the sink; an empty one silences the library, which is the default.
void set_sink(Sink sink);

/// Hands `message` to the sink.
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tessera::log
