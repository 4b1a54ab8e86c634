/* What the operator's port has at which path. */
#include "../cluster/admin/route.h"

#include <criterion/criterion.h>

Test(admin_route, finds_paths_as_a_whole_and_names_the_method_that_they_have)
{
    const char *allow;
    cr_assert_not_null(route_find("GET", "/livez", &allow));
    cr_assert_eq(route_find("HEAD", "/livez", &allow), route_find("GET", "/livez", &allow));
    cr_assert_null(route_find("POST", "/livez", &allow));
    cr_assert_str_eq(allow, "GET");
    cr_assert_null(route_find("GET", "/livez/", &allow));
    cr_assert_null(allow);
    cr_assert_null(route_find("GET", "", &allow));
    cr_assert_null(allow);
}
