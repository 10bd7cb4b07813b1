- CREATE OR REPLACE VIEW parcours.feedback_scores
+ CREATE OR REPLACE VIEW parcours.feedback_scores ON CLUSTER 'analytics'
