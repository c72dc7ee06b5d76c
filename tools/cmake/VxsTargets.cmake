# Compile flags and small helpers shared by all folders.

add_library(vxs_flags INTERFACE)
target_include_directories(vxs_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_options(vxs_flags INTERFACE
  -Wall -Wextra $<$<COMPILE_LANGUAGE:CXX>:-Wconversion> $<$<BOOL:${VXS_WERROR}>:-Werror>
  -fno-omit-frame-pointer -fstack-protector-strong)

# Everything, dependencies' object code included, is instrumented alike.
if(VXS_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(VXS_ASAN=1)
elseif(VXS_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
  add_compile_definitions(VXS_TSAN=1)
elseif(NOT VXS_SANITIZE STREQUAL "")
  message(FATAL_ERROR "VXS_SANITIZE is 'address', 'thread' or empty, not '${VXS_SANITIZE}'")
endif()

# The tests' own code is compiled quickly rather than well, the code under test as it is shipped.
# g++ 12 warns of strings that it takes to be written past their end where they come out of
# precompiled headers, and dies of headers precompiled with another -O.
set(VXS_TEST_CODE_OPTIONS $<$<CONFIG:RelWithDebInfo>:-O1> $<$<CONFIG:RelWithDebInfo>:-g1>)
foreach(warning array-bounds stringop-overflow restrict mismatched-new-delete)
  list(APPEND VXS_TEST_CODE_OPTIONS
    $<$<AND:$<CONFIG:RelWithDebInfo>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-Wno-${warning}>)
endforeach()

# The counters the fuzzers steer by. Those of comparisons make every test in the same build half as
# slow again; VXS_FUZZ=ON has them, VXS_FUZZ=light does without.
if(VXS_FUZZ)
  set(VXS_FUZZ_OPTIONS -fsanitize=fuzzer-no-link)
  if(VXS_FUZZ STREQUAL "light")
    list(APPEND VXS_FUZZ_OPTIONS -fno-sanitize-coverage=trace-cmp)
  endif()
  add_compile_options(${VXS_FUZZ_OPTIONS})
endif()

# Undefined behaviour is looked for in the product's code; in that of the tests it would cost the
# compiler as much time as all the rest together. Not "vptr": to see whether an object is there it
# opens a pipe, and without descriptors it takes every object for a wild one and ends the process.
function(vxs_find_undefined_behaviour name)
  if(NOT VXS_SANITIZE STREQUAL "address" OR CMAKE_CURRENT_SOURCE_DIR MATCHES "^${CMAKE_SOURCE_DIR}/tests")
    return()
  endif()
  target_compile_options(${name} PRIVATE -fsanitize=undefined -fno-sanitize=vptr
    -fno-sanitize-recover=undefined)
endfunction()

# Parses the heaviest headers once. For the instrumented builds of CI, and the tests' own code in
# tools/check: what is shipped is compiled as tools/quickstart does it. A missing #include goes
# unnoticed with it.
option(VXS_PCH "Precompile the headers nearly every file includes" OFF)
if(VXS_PCH)
  set(CMAKE_PCH_WARN_INVALID OFF)  # a target with definitions of its own parses for itself
  target_link_libraries(vxs_flags INTERFACE fmt::fmt spdlog::spdlog)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/pch/empty.cc CONTENT "")
  add_library(vxs_pch STATIC ${CMAKE_BINARY_DIR}/pch/empty.cc)
  target_link_libraries(vxs_pch PRIVATE vxs_flags)
  target_precompile_headers(vxs_pch PRIVATE <algorithm> <functional> <map> <memory> <string>
    <unordered_map> <vector> <tl/expected.hpp> <fmt/format.h>)
  vxs_find_undefined_behaviour(vxs_pch)
  add_library(vxs_test_pch STATIC ${CMAKE_BINARY_DIR}/pch/empty.cc)
  target_compile_options(vxs_test_pch PRIVATE ${VXS_TEST_CODE_OPTIONS})
  target_link_libraries(vxs_test_pch PRIVATE vxs_flags GTest::gtest GTest::gmock)
  target_precompile_headers(vxs_test_pch PRIVATE <algorithm> <functional> <map> <memory> <string>
    <unordered_map> <vector> <tl/expected.hpp> <fmt/format.h> <gtest/gtest.h>)
endif()
# In folders of the tests' own code; what measures the product is compiled as the product is.
function(vxs_is_test_code result)
  if(CMAKE_CURRENT_SOURCE_DIR MATCHES "^${CMAKE_SOURCE_DIR}/tests" AND
     NOT CMAKE_CURRENT_SOURCE_DIR MATCHES "^${CMAKE_SOURCE_DIR}/tests/bench")
    set(${result} ON PARENT_SCOPE)
  else()
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()
function(vxs_options_of_tests name)
  vxs_is_test_code(test_code)
  if(test_code)
    target_compile_options(${name} PRIVATE ${VXS_TEST_CODE_OPTIONS})
  endif()
endfunction()
# Several files of a library as one, where its code is not shipped; those named, whose local names
# others have too, by themselves.
function(vxs_compile_together name)
  vxs_is_test_code(test_code)
  if(VXS_PCH AND (test_code OR CMAKE_BUILD_TYPE STREQUAL "None"))
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()
function(vxs_precompile name from)
  if(VXS_PCH AND (CMAKE_BUILD_TYPE STREQUAL "None" OR from STREQUAL "vxs_test_pch"))
    target_precompile_headers(${name} REUSE_FROM ${from})
  endif()
endfunction()

# vxs_library(NAME SOURCES… LINK… [ALONE …]): a static library with the project's flags. ALONE: see
# vxs_compile_together().
function(vxs_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK;ALONE" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC vxs_flags ${A_LINK})
  vxs_find_undefined_behaviour(${name})
  vxs_options_of_tests(${name})
  vxs_precompile(${name} vxs_pch)
  vxs_compile_together(${name} ${A_ALONE})
endfunction()

# vxs_executable(NAME SOURCES… LINK…)
function(vxs_executable name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE vxs_flags ${A_LINK})
  vxs_find_undefined_behaviour(${name})
  vxs_options_of_tests(${name})
endfunction()

# vxs_test(NAME SOURCES… LINK… [ALONE …] [TIMEOUT s] [LABELS …] [ARGS …]): one Google Test
# binary registered as one ctest test. VXS_BUILD_DIR and VXS_SOURCE_DIR tell it
# where the binaries under test and the test data lie. With VXS_PCH several of its files are compiled
# as one; those of ALONE, whose local names others have too, by themselves.
function(vxs_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LINK;ALONE;LABELS;ARGS" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  add_executable(${name} ${A_SOURCES})
  target_compile_options(${name} PRIVATE ${VXS_TEST_CODE_OPTIONS})
  target_link_libraries(${name} PRIVATE vxs_flags ${A_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  vxs_precompile(${name} vxs_test_pch)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${VXS_PCH} UNITY_BUILD_BATCH_SIZE 6)
  set_source_files_properties(${A_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}"
    ENVIRONMENT "VXS_BUILD_DIR=${CMAKE_BINARY_DIR};VXS_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

# vxs_fuzzer(NAME SOURCES… LINK…): a libFuzzer target, with VXS_FUZZ only.
function(vxs_fuzzer name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  if(NOT VXS_FUZZ)
    return()
  endif()
  add_executable(${name} ${A_SOURCES})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE vxs_flags ${A_LINK})
endfunction()
