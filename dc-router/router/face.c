#include "router/face.h"

#include <string.h>

unsigned face_brokers(const struct router_settings *settings,
                      struct face_broker into[FACE_BROKERS_MAX])
{
    unsigned count = 0;
    into[count++] = (struct face_broker){
        .id = (int32_t)settings->router_id,
        .host = kafka_string_of(settings->advertised.host),
        .port = settings->advertised.port,
        .site = kafka_string_of(settings->site),
    };
    for (unsigned i = 0; i < settings->routers.count; i++) {
        const struct conf_router *peer = &settings->routers.entries[i];
        if (strcmp(peer->site, settings->site) != 0)
            continue;
        into[count++] = (struct face_broker){
            .id = (int32_t)peer->router_id,
            .host = kafka_string_of(peer->address.host),
            .port = peer->address.port,
            .site = kafka_string_of(peer->site),
        };
    }
    return count;
}
