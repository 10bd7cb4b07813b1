- CREATE OR REPLACE VIEW parcours.profile_channel_mix
+ CREATE OR REPLACE VIEW parcours.profile_channel_mix ON CLUSTER 'analytics'
